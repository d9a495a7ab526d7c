# mmpretrain's densecl_resnet50.
model = dict(
    type='DenseCLMethod',
    queue_len=65536,
    feat_dim=128,
    # 1 minus the momentum of the key encoder
    momentum=0.001,
    # Weight of the dense loss, after the DenseCLHook's start_iters
    loss_lambda=0.5,
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='BN'),
        zero_init_residual=False,
    ),
    neck=dict(
        type='DenseCLNeck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        num_grid=None,
    ),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='CrossEntropyLoss'),
        temperature=0.2,
    ),
)
