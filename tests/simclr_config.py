# mmpretrain's own SimCLR on a plain folder, small enough for tests: the data,
# the loop, the guards and the judge are swapped in by config alone.
_base_ = [
    'mmpretrain::simclr/simclr_resnet50_8xb32-coslr-200e_in1k.py',
    '../configs/_base_/datasets/frozen_features.py',
    '../configs/_base_/guards.py',
]

data_root = 'data/pictures'

model = dict(
    backbone=dict(depth=18, norm_cfg=dict(type='BN')),
    neck=dict(
        in_channels=512,
        hid_channels=32,
        out_channels=16,
        norm_cfg=dict(type='BN1d'),
    ),
)

load, views, pack = _base_.train_pipeline
views['transforms'][0][0]['scale'] = 32
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='SeededSampler'),
    dataset=dict(
        _delete_=True,
        type='Seeded',
        dataset=dict(
            type='PictureFolder',
            split='train',
            pipeline=[dict(type='LoadReadableImage'), views, pack],
        ),
    ),
)
eval_pipeline = _base_.eval_pipeline
eval_pipeline[1]['scale'] = 32
eval_pipeline[2]['crop_size'] = 32
bank_dataloader = dict(
    num_workers=0, dataset=dict(dataset=dict(pipeline=eval_pipeline))
)
val_dataloader = bank_dataloader
val_cfg = dict(bank_dataloader=bank_dataloader)
test_dataloader = val_dataloader
test_cfg = val_cfg

randomness = dict(seed=0)
optim_wrapper = dict(type='FiniteOptimWrapper')
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=2)
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(type='DueValHook', initial=True),
    dict(type='PanelHook', dataset=_base_.panel_dataset, interval=1),
    dict(type='MaskAnalysisHook', dataset=_base_.panel_dataset),
]
for hook in custom_hooks[-2:]:
    hook['dataset'].update(pipeline=eval_pipeline)
default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    logger=dict(interval=1),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1),
)
