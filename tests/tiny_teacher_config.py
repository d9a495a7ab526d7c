# MaskDistill's demo with a model small enough for tests. 32 px / 8 px = 16
# patches, 6 of them masked.
_base_ = '../configs/maskdistill_vit-tiny_demo.py'

model = dict(
    backbone=dict(
        arch=dict(
            embed_dims=32, num_layers=3, num_heads=4, feedforward_channels=64
        ),
        img_size=32,
        score_layers='all',
    ),
    teacher=dict(heads=4),
    mask_sampler=dict(mask_ratio=0.35),
    head=dict(in_channels=32, out_channels=32),
)

train_pipeline = _base_.train_pipeline
train_pipeline[1]['scale'] = 32
train_pipeline[-2].update(grid=4, min_block=2, mask_ratio=0.35)
train_pipeline[-1]['num_patches'] = 16
eval_pipeline = _base_.eval_pipeline
eval_pipeline[1]['scale'] = 32
eval_pipeline[2]['crop_size'] = 32

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(dataset=dict(pipeline=train_pipeline)),
)
bank_dataloader = dict(dataset=dict(dataset=dict(pipeline=eval_pipeline)))
val_dataloader = bank_dataloader
val_cfg = dict(bank_dataloader=bank_dataloader)
test_dataloader = val_dataloader
test_cfg = val_cfg
custom_hooks = _base_.custom_hooks
custom_hooks[-1]['dataset'].update(pipeline=eval_pipeline)

default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=2, val_interval=1)
