# The released recipe for one GPU and 100 epochs, e.g. on Imagenette.
_base_ = '../ccmim_vit-s.py'

train_dataloader = dict(batch_size=256)
# lr: 1.5e-4 x 256 pictures a step / 256
optim_wrapper = dict(accumulative_counts=1, optimizer=dict(lr=1.5e-4))
auto_scale_lr = dict(base_batch_size=256)

param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=10)
param_scheduler[1].update(begin=10, end=100, T_max=90)
train_cfg = dict(max_epochs=100, val_interval=50)

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='MaskAnalysisHook', dataset=_base_.panel_dataset),
]
default_hooks = dict(checkpoint=dict(interval=50))
