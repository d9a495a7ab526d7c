# MimCo's second stage, ViT-S/16, 100 epochs, the size of its one figure that
# can be read. The teacher is the official MoCo v3 or another that is 384
# wide.
_base_ = 'mimco_vit-b.py'

model = dict(
    backbone=dict(arch='deit-small', drop_path_rate=0.0),
    head=dict(in_channels=384, out_channels=384),
)
