model = dict(
    type='MimCo',
    backbone=dict(
        type='MaskedViT',
        arch='base',
        img_size=224,
        patch_size=16,
        mask_token=True,
        drop_path_rate=0.1,
    ),
    # --teacher CKPT names it: what a contrastive pre-training has made, of
    # MoCo v3 or any other. Its tokens behind the last norm.
    teacher=dict(type='FrozenTeacher', checkpoint=None, final_norm=True),
    # 30 of 49 squares of 2 x 2 patches: 120 of 196 patches.
    mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.61),
    # out_channels is the teacher's width. A weight of 0 leaves a loss out;
    # patch_loss='l1' is the regression that the contrast replaces.
    head=dict(
        type='MimCoHead',
        in_channels=768,
        out_channels=768,
        patch_temperature=0.1,
        image_temperature=0.2,
        patch_weight=1.0,
        image_weight=1.0,
        patch_loss='contrast',
    ),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
