_base_ = 'frozen_features.py'

# Of every loader, the bank and the hooks that look at pictures; the runner
# finds train/ and val/ in it.
data_root = 'data/imagenet'

data_preprocessor = dict(
    type='SelfSupDataPreprocessor',
    # RGB, of pixels in [0, 255]
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    non_blocking=True,
)

train_pipeline = [
    dict(type='LoadUprightImage'),
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.2, 1.0),
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=0.5),
    # The patches of the model's input: (224 / 16)^2
    dict(type='PackMaskedInputs', num_patches=196),
]

train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='SeededSampler', shuffle=True),
    dataset=dict(
        type='Seeded',
        dataset=dict(
            type='PictureFolder', split='train', pipeline=train_pipeline
        ),
    ),
)
