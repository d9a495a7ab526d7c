# DenseCL on ResNet-50, the published 200 epochs. For 8 GPUs:
#     bash tools/dist_train.sh configs/densecl_resnet50.py 8
_base_ = [
    '_base_/models/densecl_resnet50.py',
    '_base_/datasets/imagenet_bs32_densecl.py',
    '_base_/schedules/densecl_sgd_coslr_200e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    # The global contrast alone for so long, as the authors say in issue 16 of
    # their repository; their config and mmpretrain's lack it.
    dict(type='DenseCLHook', start_iters=10000),
    dict(type='PanelHook', interval=20, dataset=_base_.panel_dataset),
]
