# ccMIM for less: two approximations of the method and one of the data, each
# measured in docs/performance.md. One line less switches one of them off.
_base_ = 'ccmim_vit-b.py'

model = dict(
    # Scores of the first layer, not summed over all: the paper's figure.
    backbone=dict(score_layers=1),
    # Of 147 masked patches the masked branch reads as many as are visible.
    align_patches=49,
)

# JPEGs are decoded no larger than their crop needs.
train_pipeline = [
    dict(type='LoadRandomResizedCrop', scale=224, crop_ratio_range=(0.2, 1.0)),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
