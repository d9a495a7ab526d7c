# DenseCL's two views, which are MoCo v2's, as mmpretrain has them.
_base_ = 'imagenet_bs128_two_views.py'

crop_and_colours = _base_.crop_and_colours
crop_and_colours[1]['transforms'][0].update(saturation=0.4)
_view = [
    *crop_and_colours,
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
