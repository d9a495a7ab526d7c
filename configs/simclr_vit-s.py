# SimCLR on a ViT, by MoCo v3's recipe: docs/methods/simclr.md.
_base_ = [
    '_base_/models/simclr_vit-small-p16.py',
    '_base_/datasets/imagenet_bs256_mocov3.py',
    '_base_/schedules/mocov3_adamw_coslr_300e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=20, dataset=_base_.panel_dataset),
]

optim_wrapper = dict(modules=['backbone', 'neck'])
