_base_ = 'vit-b_linear_90e_in1k.py'

model = dict(
    backbone=dict(arch='deit-s'),
    neck=dict(input_features=384),
    head=dict(in_channels=384),
)
