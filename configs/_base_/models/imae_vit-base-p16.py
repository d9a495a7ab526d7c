model = dict(
    type='IMAE',
    backbone=dict(type='MaskedViT', arch='base', img_size=224, patch_size=16),
    # --teacher CKPT names it: a MAE with its decoder, of the same size, which
    # the student starts from; from_teacher=False starts it anew.
    teacher=dict(type='MAETeacher', checkpoint=None),
    from_teacher=True,
    # One share for all pairs of a step, as released.
    per_picture=False,
    mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.75),
    neck=dict(
        type='MaskedPretrainDecoder',
        num_patches=196,
        patch_size=16,
        embed_dim=768,
        decoder_embed_dim=512,
        decoder_depth=8,
        decoder_num_heads=16,
    ),
    head=dict(
        type='MaskedPretrainHead',
        patch_size=16,
        # What the release runs, whatever its instructions say.
        norm_pix=False,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
