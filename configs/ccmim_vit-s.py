# ViT-S/16 (384 wide, 12 layers, 6 heads), 800 epochs.
_base_ = 'ccmim_vit-b.py'

model = dict(
    backbone=dict(arch='deit-small'),
    neck=dict(embed_dim=384),
    align_head=dict(projector=dict(in_channels=384, hid_channels=384)),
)
