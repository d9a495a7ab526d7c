# 12 epochs: 118,000 x 12 / 64 = 22,125 iterations; the rate falls after the
# same shares of them.
_base_ = 'mask-rcnn_vit-b_100e_coco.py'

max_iters = 22125
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_iters, milestones=[19667, 21306])
train_cfg = dict(max_iters=max_iters, val_interval=7375)
default_hooks = dict(checkpoint=dict(interval=7375))
