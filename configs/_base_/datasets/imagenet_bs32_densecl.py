# DenseCL's two views, which are MoCo v2's, as mmpretrain has them.
_base_ = 'imagenet_bs128.py'

_view = [
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.2, 1.0),
        backend='pillow',
    ),
    dict(
        type='RandomApply',
        transforms=[
            dict(
                type='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1,
            )
        ],
        prob=0.8,
    ),
    dict(
        type='RandomGrayscale',
        prob=0.2,
        keep_channels=True,
        # Of BGR
        channel_weights=(0.114, 0.587, 0.2989),
    ),
    dict(
        type='GaussianBlur',
        magnitude_range=(0.1, 2.0),
        magnitude_std='inf',
        prob=0.5,
    ),
    dict(type='RandomFlip', prob=0.5),
]
train_pipeline = [
    dict(type='LoadUprightImage'),
    dict(type='MultiView', num_views=2, transforms=[_view]),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=32, dataset=dict(dataset=dict(pipeline=train_pipeline))
)
