# The demo as MimCo's second stage, with the demo's own checkpoint as the
# contrastive teacher (its alignment is a contrast). After `make demo`:
#     python tools/train.py configs/mimco_vit-tiny_demo.py \
#         --data data/demo --teacher work_dirs/demo/epoch_32.pth
_base_ = 'maskdistill_vit-tiny_demo.py'

model = dict(
    type='MimCo',
    teacher=dict(final_norm=True),
    # 10 of 16 squares of 2 x 2 patches: 40 of 64 patches.
    mask_sampler=dict(mask_ratio=0.625),
    head=dict(
        _delete_=True,
        type='MimCoHead',
        in_channels=128,
        out_channels=128,
        # Patches of a teacher this small are nearly alike (key_cos 0.98).
        center=True,
    ),
)

train_pipeline = _base_.train_pipeline
train_pipeline[-2] = dict(type='UnitMaskNoise', grid=8, unit=2, mask_ratio=0.6)
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
