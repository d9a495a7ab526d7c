# ViT-B/16, 300 epochs, otherwise the 800-epoch recipe.
_base_ = 'ccmim_vit-b.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].update(T_max=260, end=300)

train_cfg = dict(max_epochs=300)
