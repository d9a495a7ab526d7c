# SimCLR's contrast on MoCo v3's ViT and projector, without its predictor:
# chosen here, as is keeping SimCLR's own temperature.
_base_ = 'mocov3_vit-small-p16.py'

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
