model = dict(
    type='MaskDistill',
    backbone=dict(
        type='MaskedViT',
        arch='base',
        img_size=224,
        patch_size=16,
        mask_token=True,
        drop_path_rate=0.1,
    ),
    # --teacher CKPT names it: CLIP's visual transformer as published, or any
    # plain ViT. kind='pixel' or 'hog' needs none.
    teacher=dict(type='FrozenTeacher', checkpoint=None),
    mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.4),
    # out_channels is the teacher's width: 768 of every ViT-B, and of the
    # pixels of a patch.
    head=dict(
        type='MaskDistillHead',
        in_channels=768,
        out_channels=768,
        loss='smooth_l1',
        beta=2.0,
    ),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
