# As ViT-B; the sheet of MAE has no ViT-S of its own.
_base_ = 'vit-b_finetune_100e_in1k.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
