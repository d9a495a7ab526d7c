# MaskDistill, ViT-H/14, 300 epochs, from a teacher that is 1,024 wide, as
# CLIP's ViT-L/14. Where memory is short, recompute activations:
#     --cfg-options model.backbone.with_cp=True
_base_ = 'maskdistill_vit-b.py'

# (224 / 14)^2 = 256 patches
model = dict(
    backbone=dict(arch='huge', patch_size=14, drop_path_rate=0.2),
    head=dict(in_channels=1280, out_channels=1024),
)

train_pipeline = _base_.train_pipeline
# The same share of the grid as 16 of 196.
train_pipeline[-2].update(grid=16, min_block=21)
train_pipeline[-1]['num_patches'] = 256
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
