_base_ = 'upernet_vit-b_160k_ade20k.py'

model = dict(
    backbone=dict(arch='deit-s'),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384] * 4, channels=384),
    auxiliary_head=dict(in_channels=384),
)
