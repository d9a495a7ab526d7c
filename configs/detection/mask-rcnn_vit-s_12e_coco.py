_base_ = 'mask-rcnn_vit-b_12e_coco.py'

model = dict(backbone=dict(arch='small'), neck=dict(in_channels=384))
