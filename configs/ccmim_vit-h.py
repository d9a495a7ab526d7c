# ViT-H/14, 800 epochs. Where memory is short, recompute activations:
#     --cfg-options model.backbone.with_cp=True
_base_ = 'ccmim_vit-b.py'

# (224 / 14)^2 = 256 patches
model = dict(
    backbone=dict(arch='huge', patch_size=14),
    neck=dict(embed_dim=1280, patch_size=14, num_patches=256),
    head=dict(patch_size=14),
    align_head=dict(projector=dict(in_channels=1280, hid_channels=1280)),
)

train_pipeline = _base_.train_pipeline
train_pipeline[-1]['num_patches'] = 256
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
