# Judging a pre-training by its frozen features, kNN and linear probe; the
# labels serve this alone. For any method, beside any training data.
eval_pipeline = [
    dict(type='LoadUprightImage'),
    dict(
        type='CappedResizeEdge',
        scale=256,
        edge='short',
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

_loader = dict(
    batch_size=128,
    num_workers=4,
    pin_memory=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='SeededSampler', shuffle=False, seed=0),
)
_pictures = dict(
    type='PictureFolder',
    with_label=True,
    max_pictures=50_000,
    pipeline=eval_pipeline,
)
bank_dataloader = dict(
    _loader,
    dataset=dict(type='Seeded', dataset=dict(_pictures, split='train')),
)
val_dataloader = dict(
    _loader, dataset=dict(type='Seeded', dataset=dict(_pictures, split='val'))
)
val_cfg = dict(type='FrozenFeatureLoop', bank_dataloader=bank_dataloader)
val_evaluator = []
test_dataloader = val_dataloader
test_cfg = dict(type='FrozenFeatureTestLoop', bank_dataloader=bank_dataloader)
test_evaluator = []

panel_dataset = dict(type='PictureFolder', split='val', pipeline=eval_pipeline)
