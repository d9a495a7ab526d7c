# MoCo v3's two views, as mmpretrain has them for ViTs.
_base_ = 'imagenet_bs128.py'

_crop_and_colours = [
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        backend='pillow',
    ),
    dict(
        type='RandomApply',
        transforms=[
            dict(
                type='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.2,
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
]
_blur = dict(
    type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf'
)
_views = [
    [
        *_crop_and_colours,
        dict(_blur, prob=blurred),
        dict(type='Solarize', thr=128, prob=solarised),
        dict(type='RandomFlip', prob=0.5),
    ]
    for blurred, solarised in ((1.0, 0.0), (0.1, 0.2))
]
train_pipeline = [
    dict(type='LoadUprightImage'),
    dict(type='MultiView', num_views=[1, 1], transforms=_views),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=256, dataset=dict(dataset=dict(pipeline=train_pipeline))
)
