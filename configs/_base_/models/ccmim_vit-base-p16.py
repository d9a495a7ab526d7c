model = dict(
    type='CCMIM',
    backbone=dict(
        type='MaskedViT',
        arch='base',
        img_size=224,
        patch_size=16,
        # 'all' layers, as released; 1 is the variant of the paper's figure.
        score_layers='all',
    ),
    # Also GumbelMaskSampler, TopKMaskSampler, RandomMaskSampler (MAE).
    mask_sampler=dict(type='AdditiveNoiseMaskSampler', mask_ratio=0.75),
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
        norm_pix=True,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
    # None trains without contrast.
    align_head=dict(
        type='CCMIMAlignHead',
        temperature=0.5,
        loss_weight=0.1,
        projector=dict(
            type='NonLinearNeck',
            in_channels=768,
            hid_channels=768,
            out_channels=256,
            with_avg_pool=False,
            with_last_bn_affine=False,
            norm_cfg=dict(type='BN1d'),
        ),
    ),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
