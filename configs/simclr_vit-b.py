_base_ = 'simclr_vit-s.py'

model = dict(backbone=dict(arch='base'), neck=dict(in_channels=768))
