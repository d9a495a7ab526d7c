# MoCo v3's two views, as mmpretrain has them for ViTs.
_base_ = 'imagenet_bs128_two_views.py'

crop_and_colours = _base_.crop_and_colours
crop_and_colours[0].update(crop_ratio_range=(0.08, 1.0))
_blur = dict(
    type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf'
)
_views = [
    [
        *crop_and_colours,
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
