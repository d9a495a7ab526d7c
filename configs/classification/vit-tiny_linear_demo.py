# A linear probe on the demo's encoder. lr = 0.1 * 32 / 256, times 8: ten
# epochs of a small set are few steps.
_base_ = 'vit-b_linear_own.py'

data_root = 'data/demo'

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=128,
            num_layers=4,
            num_heads=4,
            feedforward_channels=512,
        ),
        img_size=64,
        patch_size=8,
        frozen_stages=4,
    ),
    neck=dict(input_features=128),
    head=dict(in_channels=128),
)

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=64, crop_ratio_range=(0.5, 1.0))
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = 64
test_pipeline[2]['crop_size'] = 64

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    dataset=dict(dataset=dict(pipeline=train_pipeline)),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(dataset=dict(pipeline=test_pipeline)),
)
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=32)

param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=1)
param_scheduler[1].update(begin=1, end=10, T_max=9)
train_cfg = dict(max_epochs=10)
