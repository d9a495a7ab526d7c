# i-MAE's demo with a model small enough for tests. 32 px / 8 px = 16 patches.
_base_ = 'tiny_config.py'

model = dict(
    _delete_=True,
    type='IMAE',
    backbone=_base_.model.backbone,
    teacher=dict(type='MAETeacher', checkpoint=None, heads=4),
    mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.75),
    neck=_base_.model.neck,
    head=dict(_base_.model.head, norm_pix=False),
    init_cfg=_base_.model.init_cfg,
)

train_dataloader = dict(dataset=dict(dataset=dict(type='PicturePairs')))
