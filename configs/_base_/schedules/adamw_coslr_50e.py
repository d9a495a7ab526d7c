# i-MAE's release: 8 GPUs x 32 pairs = 256 a step, 50 epochs from a MAE, 5 of
# them warm-up.
_base_ = 'adamw_coslr_800e.py'

optim_wrapper = dict(accumulative_counts=1, optimizer=dict(lr=1e-4))

param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=5)
param_scheduler[1].update(T_max=45, begin=5, end=50)

train_cfg = dict(max_epochs=50, val_interval=10)

auto_scale_lr = dict(base_batch_size=256)
