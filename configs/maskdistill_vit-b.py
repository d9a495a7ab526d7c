# MaskDistill, ViT-B/16, 300 epochs, from CLIP's ViT-B/16 or another teacher
# that is 768 wide:
#     bash tools/dist_train.sh configs/maskdistill_vit-b.py 8 --teacher CKPT
_base_ = [
    '_base_/models/maskdistill_vit-base-p16.py',
    '_base_/datasets/imagenet_bs128.py',
    '_base_/schedules/adamw_coslr_300e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=20, dataset=_base_.panel_dataset),
]

# 40 % of the patches, in blocks; of the sampler's ratio.
*views, pack = _base_.train_pipeline
train_pipeline = [
    *views,
    dict(type='BlockMaskNoise', grid=14, mask_ratio=0.4, min_block=16),
    pack,
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
