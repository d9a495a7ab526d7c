# 8 GPUs x 32 pictures = 256 a step, at once, as published; fp32, likewise.
optim_wrapper = dict(
    type='FiniteOptimWrapper',
    precision='fp32',
    optimizer=dict(
        type='SGD', lr=0.03, weight_decay=1e-4, momentum=0.9, fused=True
    ),
)

# By epoch, as published.
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=200, by_epoch=True, begin=0, end=200)
]

train_cfg = dict(
    type='ResumableEpochTrainLoop', max_epochs=200, val_interval=20
)

auto_scale_lr = dict(base_batch_size=256)
