# Both of the fast preset's approximations of the method.
_base_ = 'ccmim_vit-tiny64.py'

model = dict(backbone=dict(score_layers=1), align_patches=16)
