# Crop, colours and grey of MoCo's two views, which v3 and DenseCL share.
_base_ = 'imagenet_bs128.py'

crop_and_colours = [
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
                type='WrappedHueColorJitter',
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
