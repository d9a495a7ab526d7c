# 16 GPUs x 256 pictures = 4096 a step, as published, at once: what is
# accumulated would be contrasted in parts.
#
# lr = 1.5e-4 * 4096 / 256 = 2.4e-3
optim_wrapper = dict(
    type='FiniteOptimWrapper',
    # These in bf16 on a GPU that has it; the similarities are fp32.
    modules=['backbone', 'neck', 'momentum_encoder'],
    optimizer=dict(
        type='AdamW', lr=1.5e-4 * 4096 / 256, weight_decay=0.1, fused=True
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
        T_max=260,
        by_epoch=True,
        begin=40,
        end=300,
        convert_to_iter_based=True,
    ),
]

train_cfg = dict(
    type='ResumableEpochTrainLoop', max_epochs=300, val_interval=20
)

auto_scale_lr = dict(base_batch_size=4096)
