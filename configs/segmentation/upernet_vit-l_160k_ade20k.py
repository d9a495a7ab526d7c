_base_ = 'upernet_vit-b_160k_ade20k.py'

model = dict(
    backbone=dict(
        arch='large', out_indices=[7, 11, 15, 23], drop_path_rate=0.2
    ),
    neck=dict(embed_dim=1024),
    decode_head=dict(in_channels=[1024] * 4, channels=1024),
    auxiliary_head=dict(in_channels=1024),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
