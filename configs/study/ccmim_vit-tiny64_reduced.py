# JPEGs decoded no larger than their crop needs.
_base_ = 'ccmim_vit-tiny64.py'

train_pipeline = [
    dict(type='LoadRandomResizedCrop', scale=64, crop_ratio_range=(0.5, 1.0)),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
