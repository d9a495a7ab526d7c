# Masks in blocks, in the place of single patches, for MAE and the alignment.
_base_ = 'ccmim_vit-tiny64.py'

model = dict(mask_sampler=dict(_delete_=True, type='RandomMaskSampler'))

*views, pack = _base_.train_pipeline
train_pipeline = [
    *views,
    dict(type='BlockMaskNoise', grid=8, mask_ratio=0.75, min_block=4),
    pack,
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
