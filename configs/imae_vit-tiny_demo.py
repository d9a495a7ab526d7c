# The demo as i-MAE, from the demo's MAE:
#     python tools/train.py configs/mae_vit-tiny_demo.py --data data/demo
#     python tools/train.py configs/imae_vit-tiny_demo.py --data data/demo \
#         --teacher work_dirs/mae_vit-tiny_demo/epoch_32.pth
# Length and rate are chosen here.
_base_ = 'mae_vit-tiny_demo.py'

model = dict(
    _delete_=True,
    type='IMAE',
    backbone=_base_.model.backbone,
    teacher=dict(type='MAETeacher', checkpoint=None),
    mask_sampler=_base_.model.mask_sampler,
    neck=_base_.model.neck,
    head=dict(_base_.model.head, norm_pix=False),
    init_cfg=_base_.model.init_cfg,
)

train_dataloader = dict(dataset=dict(dataset=dict(type='PicturePairs')))

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=1)
param_scheduler[1].update(T_max=15, begin=1, end=16)
train_cfg = dict(max_epochs=16, val_interval=8)
