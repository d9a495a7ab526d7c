# MoCo v3 on ViT-S/16 (12 heads), the published 300 epochs. For 16 GPUs:
#     NNODES=2 NODE_RANK=0 MASTER_ADDR=node0 \
#         bash tools/dist_train.sh configs/mocov3_vit-s.py 8
# With fewer, --auto-scale-lr; docs/methods/mocov3.md.
_base_ = [
    '_base_/models/mocov3_vit-small-p16.py',
    '_base_/datasets/imagenet_bs256_mocov3.py',
    '_base_/schedules/mocov3_adamw_coslr_300e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=20, dataset=_base_.panel_dataset),
]
