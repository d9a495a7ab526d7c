# DenseCL in the study over the family.
_base_ = '../densecl_resnet18_demo.py'

# An average over 100 steps, of 840, as MoCo v3's here.
model = dict(momentum=0.01)

# EuroSAT: 9,000 pictures / 64 = 140 steps an epoch
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=1,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=5,
        by_epoch=True,
        begin=1,
        end=6,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=6, val_interval=3)

log_processor = dict(window_size=20)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=3))
