# A ViT small enough to pre-train on two CPU cores in minutes, on generated
# scenes: python tools/make_demo_data.py data/demo
_base_ = 'ccmim_vit-b.py'

data_root = 'data/demo'

# 64 px / 8 px = 8 x 8 = 64 patches
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
        # The paper's figure: the cheapest scores.
        score_layers=1,
    ),
    neck=dict(
        num_patches=64,
        patch_size=8,
        embed_dim=128,
        decoder_embed_dim=64,
        decoder_depth=2,
        decoder_num_heads=4,
    ),
    head=dict(patch_size=8),
    # Among 16 scenes colour alone solves the alignment, and at the release's
    # weight of 0.1 the features forgot shapes for it.
    align_head=dict(
        loss_weight=0.01,
        projector=dict(in_channels=128, hid_channels=128, out_channels=64),
    ),
)

train_pipeline = _base_.train_pipeline
# Scenes are small and whole objects matter: milder crops than ImageNet's.
train_pipeline[1].update(scale=64, crop_ratio_range=(0.5, 1.0))
train_pipeline[-1]['num_patches'] = 64
eval_pipeline = _base_.eval_pipeline
eval_pipeline[1]['scale'] = 64
eval_pipeline[2]['crop_size'] = 64

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(dataset=dict(pipeline=train_pipeline)),
)
bank_dataloader = dict(
    num_workers=0, dataset=dict(dataset=dict(pipeline=eval_pipeline))
)
val_dataloader = bank_dataloader
val_cfg = dict(bank_dataloader=bank_dataloader)
test_dataloader = val_dataloader
test_cfg = val_cfg

*_, panels = custom_hooks = _base_.custom_hooks
panels.update(interval=8)
panels['dataset'].update(pipeline=eval_pipeline)
# The page of ccmim look, at the end.
custom_hooks.insert(-1, dict(type='LookHook', dataset=panels['dataset']))

optim_wrapper = dict(
    accumulative_counts=1,
    # Many small steps: that is what minutes on two cores allow.
    optimizer=dict(lr=3e-3),
)

# 2,000 pictures / 16 = 125 steps an epoch
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=2)
param_scheduler[1].update(T_max=30, begin=2, end=32)

train_cfg = dict(max_epochs=32, val_interval=8)
auto_scale_lr = dict(base_batch_size=16)

default_hooks = dict(logger=dict(interval=125), checkpoint=dict(interval=8))
