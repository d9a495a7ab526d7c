# 8 GPUs x 128 pictures = 1024 pictures a step, which are the keys that a
# contrast sees. MAE's rate, the length of MimCo's one figure and a tenth of it
# for warm-up, as SimMIM has: chosen here, as no recipe of it can be read.
#
# lr = 1.5e-4 * 1024 / 256 = 6e-4
_base_ = 'adamw_coslr_300e.py'

optim_wrapper = dict(
    accumulative_counts=1,
    optimizer=dict(lr=1.5e-4 * 1024 / 256, betas=(0.9, 0.95)),
)

param_scheduler = _base_.param_scheduler
param_scheduler[-1].update(T_max=90, eta_min=0.0, end=100)

train_cfg = dict(max_epochs=100)
