# The demo as MAE: random masks, no alignment, all else the same.
_base_ = 'ccmim_vit-tiny_demo.py'

model = dict(
    mask_sampler=dict(type='RandomMaskSampler'),
    align_head=None,
)
