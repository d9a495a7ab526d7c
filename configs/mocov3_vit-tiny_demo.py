# MoCo v3 with the demo's tiny ViT, for two CPU cores, on generated scenes:
#     python tools/make_demo_data.py data/demo
# Sizes and rates are chosen here.
_base_ = [
    '_base_/models/mocov3_vit-small-p16.py',
    '_base_/datasets/demo_bs64_two_views.py',
    '_base_/schedules/mocov3_adamw_coslr_300e.py',
    '_base_/runtimes/pretrain.py',
]

# Also of a CPU; each process normalises its own pictures.
_norm = dict(type='BN1d')

model = dict(
    backbone=dict(
        # 64 px / 8 px = 8 x 8 patches
        arch=dict(
            _delete_=True,
            embed_dims=128,
            num_layers=4,
            num_heads=4,
            feedforward_channels=512,
        ),
        img_size=64,
        patch_size=8,
    ),
    neck=dict(
        in_channels=128, hid_channels=512, out_channels=128, norm_cfg=_norm
    ),
    head=dict(
        predictor=dict(
            in_channels=128, hid_channels=512, out_channels=128, norm_cfg=_norm
        )
    ),
)

optim_wrapper = dict(optimizer=dict(lr=1e-3))

# 2,000 pictures / 64 = 31 steps an epoch
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=4)
param_scheduler[1].update(T_max=20, begin=4, end=24)

train_cfg = dict(max_epochs=24, val_interval=8)
auto_scale_lr = dict(base_batch_size=64)

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=8, dataset=_base_.panel_dataset),
]

default_hooks = dict(logger=dict(interval=31), checkpoint=dict(interval=8))
