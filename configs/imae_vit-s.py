# i-MAE, ViT-S/16, from a checkpoint of configs/mae_vit-s.py.
_base_ = 'imae_vit-b.py'

model = dict(backbone=dict(arch='deit-small'), neck=dict(embed_dim=384))
