# Random masks and no alignment: the yardstick.
_base_ = 'ccmim_vit-tiny64.py'

model = dict(mask_sampler=dict(type='RandomMaskSampler'), align_head=None)
