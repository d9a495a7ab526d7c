# MoCo v3 on ViT-B/16 (12 heads), the published 300 epochs.
_base_ = 'mocov3_vit-s.py'

model = dict(backbone=dict(arch='base'), neck=dict(in_channels=768))
