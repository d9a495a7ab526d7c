# MaskDistill, ViT-L/16, 300 epochs, from a teacher that is 1,024 wide: CLIP's
# ViT-L/14, which then sees pictures of 196 pixels. Where memory is short:
#     --cfg-options model.backbone.with_cp=True
_base_ = 'maskdistill_vit-b.py'

model = dict(
    backbone=dict(arch='large', drop_path_rate=0.2),
    head=dict(in_channels=1024, out_channels=1024),
)
