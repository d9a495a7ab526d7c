# For some thousand small pictures and a laptop:
#     python tools/train.py configs/ccmim_small-data_vit-tiny.py --data DIR
# What docs/study/README.md measured as `masked_grad`: 64 px / 8 px, 4 layers,
# scores of all of them, weight 0.1. The length is the demo's.
_base_ = 'ccmim_vit-tiny_demo.py'

data_root = 'data/imagenet'
model = dict(
    masked_grad=True,
    backbone=dict(score_layers='all'),
    align_head=dict(loss_weight=0.1),
)
train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=64)
default_hooks = dict(logger=dict(interval=20))
