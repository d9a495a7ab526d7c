# Scores of the first layer alone.
_base_ = 'ccmim_vit-tiny64.py'

model = dict(backbone=dict(score_layers=1))
