# ccMIM as released (scores of all layers, all masked patches, weight 0.1) at
# the demo's size: 64 px / 8 px, 128 wide, 4 layers.
_base_ = '../ccmim_vit-tiny_demo.py'

model = dict(
    backbone=dict(score_layers='all'), align_head=dict(loss_weight=0.1)
)
train_dataloader = dict(batch_size=64)

# EuroSAT: 9,000 pictures / 64 = 140 steps an epoch
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=1)
param_scheduler[1].update(begin=1, end=6, T_max=5)
train_cfg = dict(max_epochs=6, val_interval=3)
auto_scale_lr = dict(base_batch_size=64)

# Without the page.
custom_hooks = [
    *(hook for hook in _base_.custom_hooks if hook['type'] != 'LookHook'),
    dict(type='MaskAnalysisHook', dataset=_base_.panel_dataset),
]
custom_hooks[-1]['dataset'].update(pipeline=_base_.eval_pipeline)

log_processor = dict(window_size=20)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=3))
