# The demo as MaskDistill: what the demo's own checkpoint sees of whole
# pictures is predicted from masked ones. After `make demo`:
#     python tools/train.py configs/maskdistill_vit-tiny_demo.py \
#         --data data/demo --teacher work_dirs/demo/epoch_32.pth
_base_ = 'ccmim_vit-tiny_demo.py'

# 64 px / 8 px = 8 x 8 = 64 patches
model = dict(
    _delete_=True,
    type='MaskDistill',
    backbone=dict(
        type='MaskedViT',
        arch=dict(
            embed_dims=128,
            num_layers=4,
            num_heads=4,
            feedforward_channels=512,
        ),
        img_size=64,
        patch_size=8,
        score_layers=1,
        mask_token=True,
    ),
    teacher=dict(type='FrozenTeacher', checkpoint=None),
    mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.4),
    head=dict(type='MaskDistillHead', in_channels=128, out_channels=128),
    init_cfg=_base_.model.init_cfg,
)

*views, pack = _base_.train_pipeline
train_pipeline = [
    *views,
    dict(type='BlockMaskNoise', grid=8, mask_ratio=0.4, min_block=4),
    pack,
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
