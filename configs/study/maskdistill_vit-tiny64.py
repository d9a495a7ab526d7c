# MaskDistill in the study over the family.
_base_ = '../maskdistill_vit-tiny_demo.py'

train_dataloader = dict(batch_size=64)

# EuroSAT: 9,000 pictures / 64 = 140 steps an epoch
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=1)
param_scheduler[1].update(begin=1, end=6, T_max=5)
train_cfg = dict(max_epochs=6, val_interval=3)
auto_scale_lr = dict(base_batch_size=64)

log_processor = dict(window_size=20)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=3))
