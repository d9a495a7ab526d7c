# 8 GPUs x 128 pictures = 1,024 a step, lr = 1e-3 * 1024 / 256 = 4e-3.
_base_ = 'vit-b_finetune_100e_in1k.py'

model = dict(
    backbone=dict(arch='large', drop_path_rate=0.2),
    head=dict(in_channels=1024),
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3 * 1024 / 256),
    paramwise_cfg=dict(layer_decay_rate=0.75),
)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(T_max=45, end=50)
train_cfg = dict(max_epochs=50)
