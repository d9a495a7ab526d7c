# Fine-tuning that a few hundred steps are enough for: the demo's without what
# slows the start (RandAugment, erasing, mixup, CutMix, drop path).
_base_ = '../classification/vit-tiny_finetune_demo.py'

model = dict(
    backbone=dict(drop_path_rate=0.0),
    head=dict(loss=dict(label_smooth_val=0.0)),
    train_cfg=None,
)

load, crop, flip, *_, pack = _base_.train_pipeline
train_dataloader = dict(
    dataset=dict(dataset=dict(pipeline=[load, crop, flip, pack]))
)

# 32 pictures a step, as there
optim_wrapper = dict(optimizer=dict(lr=2e-3))
