# Two crops of each decoded picture, half the epochs: as many steps, of as
# many crops.
_base_ = 'ccmim_vit-tiny64.py'

load, crop, flip, pack = _base_.train_pipeline
train_pipeline = [
    load,
    dict(type='MultiView', num_views=[2], transforms=[[crop, flip]]),
    pack,
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))

param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=0.5)
param_scheduler[1].update(begin=0.5, end=3, T_max=2.5)
train_cfg = dict(max_epochs=3, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=3))
