# 8 GPUs x 128 pictures x 4 accumulated = 4096 pictures a step, MAE's. The
# release has 32 GPUs x 32, so that the alignment sees 1,024 keys as here, and
# the projector's BatchNorm 32 pictures where it sees 128. Accumulation is in
# none of the commands of its README that could be read: without it, a step has
# 1,024 pictures and lr = 6e-4 (docs/methods/ccmim.md). It trains in fp32.
#
# lr = 1.5e-4 * 4096 / 256 = 2.4e-3
#
# 1,281,167 pictures / 1,024 = 1,251 iterations, 313 steps an epoch.
optim_wrapper = dict(
    # bf16 on a GPU that has it; precision='fp32' or 'bf16' says which.
    type='FiniteOptimWrapper',
    accumulative_counts=4,
    optimizer=dict(
        type='AdamW',
        lr=1.5e-4 * 4096 / 256,
        betas=(0.9, 0.95),
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
        end=40,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=760,
        by_epoch=True,
        begin=40,
        end=800,
        convert_to_iter_based=True,
    ),
]

train_cfg = dict(
    type='ResumableEpochTrainLoop', max_epochs=800, val_interval=20
)

# Counts processes x batch, and not the accumulation: 8 x 128.
auto_scale_lr = dict(base_batch_size=1024)
