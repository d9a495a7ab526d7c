# The demo as SimCLR: all views in one contrast, one encoder, all else the
# same as MoCo v3's.
_base_ = 'mocov3_vit-tiny_demo.py'

model = dict(
    _delete_=True,
    type='SimCLRMethod',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='CrossEntropyLoss'),
        temperature=0.1,
    ),
)

optim_wrapper = dict(modules=['backbone', 'neck'])
