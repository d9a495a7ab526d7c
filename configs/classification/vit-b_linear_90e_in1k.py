# MAE's linear probe: the CLS token, BatchNorm without affine, LARS. 8 GPUs x
# 2,048 pictures = 16,384 a step, lr = 0.1 * 16384 / 256 = 6.4. Differs from
# mmpretrain's in its bicubic resizing, which is MAE's, and in the batch that
# --auto-scale-lr starts from, which is the recipe's and not 1,024.
_base_ = [
    'mmpretrain::mae/benchmarks/vit-base-p16_8xb2048-linear-coslr-90e_in1k.py',
    '../_base_/guards.py',
]

data_root = 'data/imagenet'

model = dict(backbone=dict(init_cfg=None))
optim_wrapper = dict(type='FiniteOptimWrapper')
auto_scale_lr = dict(base_batch_size=16384)

train_pipeline = _base_.train_pipeline
train_pipeline[0] = dict(type='LoadUprightImage')
train_pipeline[1]['interpolation'] = 'bicubic'
test_pipeline = _base_.test_pipeline
test_pipeline[0] = dict(type='LoadUprightImage')
test_pipeline[1].update(type='CappedResizeEdge', interpolation='bicubic')

train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='SeededSampler'),
    dataset=dict(
        _delete_=True,
        type='Seeded',
        dataset=dict(
            type='PictureFolder',
            split='train',
            with_label=True,
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=256,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', seed=0),
    dataset=dict(
        _delete_=True,
        type='Seeded',
        dataset=dict(
            type='PictureFolder',
            split='val',
            with_label=True,
            pipeline=test_pipeline,
        ),
    ),
)
test_dataloader = val_dataloader

randomness = dict(seed=0)
train_cfg = dict(_delete_=True, type='ResumableEpochTrainLoop', max_epochs=90)
default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    checkpoint=dict(type='AtomicCheckpointHook', save_best='auto'),
)
