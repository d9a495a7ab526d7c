# MaskDistill, ViT-S/16, 300 epochs, from a teacher that is 384 wide: DINO's
# ViT-S/16, the official MoCo v3's, or one of this project. For others set
# model.head.out_channels.
_base_ = 'maskdistill_vit-b.py'

model = dict(
    backbone=dict(arch='deit-small', drop_path_rate=0.0),
    head=dict(in_channels=384, out_channels=384),
)
