# ViT-L/16, 800 epochs. Where memory is short, recompute activations:
#     --cfg-options model.backbone.with_cp=True
_base_ = 'ccmim_vit-b.py'

model = dict(
    backbone=dict(arch='large'),
    neck=dict(embed_dim=1024),
    align_head=dict(projector=dict(in_channels=1024, hid_channels=1024)),
)
