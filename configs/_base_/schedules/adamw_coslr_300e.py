# 8 GPUs x 128 pictures x 2 accumulated = 2048 pictures a step; the rate, the
# warm-up and the clipping are those of BEiT v2's code, on which MaskDistill
# is built.
#
# 1,281,167 pictures / 1,024 = 1,251 iterations, 625 steps an epoch.
optim_wrapper = dict(
    # bf16 on a GPU that has it; precision='fp32' or 'bf16' says which.
    type='FiniteOptimWrapper',
    accumulative_counts=2,
    clip_grad=dict(max_norm=3.0),
    optimizer=dict(
        type='AdamW',
        lr=1.5e-3,
        betas=(0.9, 0.999),
        weight_decay=0.05,
        fused=True,
    ),
    # No decay on biases and 1-D parameters, norms among them.
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0
    ),
)

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=290,
        eta_min=1e-5,
        by_epoch=True,
        begin=10,
        end=300,
        convert_to_iter_based=True,
    ),
]

train_cfg = dict(
    type='ResumableEpochTrainLoop', max_epochs=300, val_interval=20
)

# Counts processes x batch, and not the accumulation: 8 x 128.
auto_scale_lr = dict(base_batch_size=1024)
