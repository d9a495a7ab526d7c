# MAE as ccMIM's ablation: random masks, no alignment, all else the same.
_base_ = 'ccmim_vit-s.py'

model = dict(
    mask_sampler=dict(type='RandomMaskSampler'),
    align_head=None,
)
