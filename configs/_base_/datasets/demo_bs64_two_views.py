# Two views of the demo's scenes, at 64 pixels: without blur, whose kernel
# would be half of what there is to see. Chosen here, MoCo v3's otherwise.
_base_ = 'imagenet_bs128_two_views.py'

data_root = 'data/demo'

crop_and_colours = _base_.crop_and_colours
crop_and_colours[0].update(scale=64)
_view = [*crop_and_colours, dict(type='RandomFlip', prob=0.5)]
train_pipeline = [
    dict(type='LoadUprightImage'),
    dict(type='MultiView', num_views=2, transforms=[_view]),
    dict(type='PackInputs'),
]
eval_pipeline = _base_.eval_pipeline
eval_pipeline[1]['scale'] = 64
eval_pipeline[2]['crop_size'] = 64

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(dataset=dict(pipeline=train_pipeline)),
)
bank_dataloader = dict(
    num_workers=0, dataset=dict(dataset=dict(pipeline=eval_pipeline))
)
val_dataloader = bank_dataloader
val_cfg = dict(bank_dataloader=bank_dataloader)
test_dataloader = val_dataloader
test_cfg = val_cfg
panel_dataset = dict(pipeline=eval_pipeline)
