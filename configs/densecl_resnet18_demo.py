# DenseCL with a ResNet-18, for two CPU cores, on generated scenes:
#     python tools/make_demo_data.py data/demo
# Sizes and rates are chosen here.
_base_ = [
    '_base_/models/densecl_resnet50.py',
    '_base_/datasets/demo_bs64_two_views.py',
    '_base_/schedules/densecl_sgd_coslr_200e.py',
    '_base_/runtimes/pretrain.py',
]

model = dict(
    queue_len=4096,
    # A map of 4 x 4 cells at 64 pixels
    backbone=dict(depth=18, strides=(1, 2, 2, 1)),
    neck=dict(in_channels=512, hid_channels=512),
)

# 2,000 pictures / 64 = 31 steps an epoch
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=24, by_epoch=True, begin=0, end=24)
]
train_cfg = dict(max_epochs=24, val_interval=8)
auto_scale_lr = dict(base_batch_size=64)

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='DenseCLHook', start_iters=100),
    dict(type='PanelHook', interval=8, dataset=_base_.panel_dataset),
]

default_hooks = dict(logger=dict(interval=31), checkpoint=dict(interval=8))
