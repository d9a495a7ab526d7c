# MimCo's second stage, ViT-B/16, 100 epochs, from a contrastive teacher that
# is 768 wide:
#     bash tools/dist_train.sh configs/mimco_vit-b.py 8 --teacher CKPT
_base_ = [
    '_base_/models/mimco_vit-base-p16.py',
    '_base_/datasets/imagenet_bs128.py',
    '_base_/schedules/adamw_coslr_100e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=20, dataset=_base_.panel_dataset),
]

*views, pack = _base_.train_pipeline
train_pipeline = [
    *views,
    dict(type='UnitMaskNoise', grid=14, unit=2, mask_ratio=0.6),
    pack,
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
