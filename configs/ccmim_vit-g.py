# ViT-g/14, about a billion parameters, 800 epochs; each GPU keeps its part of
# weights and optimizer (docs/sharding.md). Where memory is short, recompute
# activations:
#     --cfg-options model.backbone.with_cp=True
_base_ = 'ccmim_vit-b.py'

# (224 / 14)^2 = 256 patches
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=1408,
            num_layers=40,
            num_heads=16,
            feedforward_channels=6144,
        ),
        patch_size=14,
    ),
    neck=dict(embed_dim=1408, patch_size=14, num_patches=256),
    head=dict(patch_size=14),
    align_head=dict(projector=dict(in_channels=1408, hid_channels=1408)),
)

train_pipeline = _base_.train_pipeline
train_pipeline[-1]['num_patches'] = 256
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))

model_wrapper_cfg = dict(type='FullyShard')
