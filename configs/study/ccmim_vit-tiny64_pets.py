# The same on 480 photographs of pets, whose label maps show where the
# attention lies.
_base_ = 'ccmim_vit-tiny64.py'

load = _base_.eval_pipeline[0]
analysis_pipeline = [
    load,
    dict(type='LoadLabelMap'),
    # The short edge to 64, as in the evaluation
    dict(
        type='Resize',
        scale=(4096, 64),
        keep_ratio=True,
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='CenterCrop', crop_size=64),
    dict(type='PackInputs', algorithm_keys=('gt_seg_map',)),
]
custom_hooks = _base_.custom_hooks
custom_hooks[-1]['dataset'].update(pipeline=analysis_pipeline)

# 480 pictures / 64 = 7 steps an epoch
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=5)
param_scheduler[1].update(begin=5, end=50, T_max=45)
train_cfg = dict(max_epochs=50, val_interval=25)
default_hooks = dict(checkpoint=dict(interval=25))
