# Layer decay and drop path of ViTDet's ViT-L.
_base_ = 'mask-rcnn_vit-b_100e_coco.py'

model = dict(
    backbone=dict(arch='large', drop_path_rate=0.4),
    neck=dict(in_channels=1024),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
