# Fine-tune ViT-B on ImageNet: MAE's recipe, as mmpretrain has it. 8 GPUs x 128
# pictures = 1,024 a step, lr = 5e-4 * 1024 / 256 = 2e-3.
_base_ = [
    'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py',
    '../_base_/guards.py',
]

data_root = 'data/imagenet'

# The checkpoint comes by --pretrained, every tensor accounted for.
model = dict(backbone=dict(init_cfg=None))
optim_wrapper = dict(
    type='FiniteOptimWrapper', constructor='BackboneLayerDecayConstructor'
)

train_pipeline = _base_.train_pipeline
train_pipeline[0] = dict(type='LoadUprightImage')
test_pipeline = _base_.test_pipeline
test_pipeline[0] = dict(type='LoadUprightImage')
test_pipeline[1]['type'] = 'CappedResizeEdge'

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
train_cfg = dict(_delete_=True, type='ResumableEpochTrainLoop', max_epochs=100)
default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    checkpoint=dict(type='AtomicCheckpointHook', save_best='auto'),
)
