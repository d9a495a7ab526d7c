# mmpretrain's mocov3_vit-small-p16, whose ViT-S has 12 heads, not 6. Every
# norm is named: the neck's own default would be SyncBN, unseen.
_norm = dict(type='SyncBN')

model = dict(
    type='MoCoV3Method',
    # 1 minus the momentum of the key encoder, falling to 0 in a cosine
    base_momentum=0.01,
    backbone=dict(
        type='MoCoV3ViT',
        arch='mocov3-small',
        img_size=224,
        patch_size=16,
        # A frozen random patch projection, for stability
        stop_grad_conv1=True,
    ),
    neck=dict(
        type='NonLinearNeck',
        in_channels=384,
        hid_channels=4096,
        out_channels=256,
        num_layers=3,
        with_bias=False,
        with_last_bn=True,
        with_last_bn_affine=False,
        with_last_bias=False,
        with_avg_pool=False,
        norm_cfg=_norm,
    ),
    head=dict(
        type='MoCoV3Head',
        temperature=0.2,
        predictor=dict(
            type='NonLinearNeck',
            in_channels=256,
            hid_channels=4096,
            out_channels=256,
            num_layers=2,
            with_bias=False,
            with_last_bn=True,
            with_last_bn_affine=False,
            with_last_bias=False,
            with_avg_pool=False,
            norm_cfg=_norm,
        ),
        # 2 x the temperature
        loss=dict(type='CrossEntropyLoss', loss_weight=2 * 0.2),
    ),
)
