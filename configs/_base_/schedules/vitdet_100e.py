# 8 GPUs x 8 pictures = 64 a step, as the recipe has it; lr 1e-4 for those.
# 118,000 pictures x 100 epochs / 64 = 184,375 iterations.
max_iters = 184375
# The rate falls after 8/9 and 26/27 of them.
milestones = [163889, 177546]

optim_wrapper = dict(
    type='FiniteOptimWrapper',
    # In bf16 boxes would be 4 pixels apart at 1,024.
    modules=['backbone', 'neck'],
    constructor='BackboneLayerDecayConstructor',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1
    ),
    paramwise_cfg=dict(
        layer_decay_rate=0.7,
        norm_decay_mult=0.0,
        custom_keys={'.pos_embed': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=250
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        begin=0,
        end=max_iters,
        milestones=milestones,
        gamma=0.1,
    ),
]
train_cfg = dict(
    type='ResumableIterTrainLoop', max_iters=max_iters, val_interval=9219
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=64)
