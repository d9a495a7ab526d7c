# The demo's encoder (64 px / 8 px, 128 wide, 4 layers), fine-tuned on the
# demo's scenes. 32 pictures a step; small sets want a larger lr than
# 5e-4 * 32 / 256.
_base_ = 'vit-b_finetune_own.py'

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
    ),
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

optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=32)

# 2,000 pictures / 32 = 63 steps an epoch
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=1)
param_scheduler[1].update(begin=1, end=10, T_max=9)
train_cfg = dict(max_epochs=10)
