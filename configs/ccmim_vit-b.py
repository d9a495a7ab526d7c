# ViT-B/16, the release's 800 epochs. For 8 GPUs:
#     bash tools/dist_train.sh configs/ccmim_vit-b.py 8
_base_ = [
    '_base_/models/ccmim_vit-base-p16.py',
    '_base_/datasets/imagenet_bs128.py',
    '_base_/schedules/adamw_coslr_800e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=20, dataset=_base_.panel_dataset),
]
