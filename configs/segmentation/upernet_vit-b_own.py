# Your pictures with label maps, in one of the usual layouts (DIR/train/...
# and DIR/label_maps/train/..., likewise val; pictures of any suffix, the label
# maps PNG, one byte a pixel, 255 is ignored), and the names of the values 0,
# 1, ... in DIR/classes.txt, one a line, or by --cfg-options
# classes="wall,floor":
#     python tools/train.py configs/segmentation/upernet_vit-b_own.py \
#         --data DIR --pretrained CKPT.pth
# One process x 8 pictures, lr = 1e-4 * sqrt(8 / 16) = 7e-5.
_base_ = 'upernet_vit-b_160k_ade20k.py'

# None takes those of classes.txt.
classes = None
max_iters = 20000

train_pipeline = _base_.train_pipeline
train_pipeline[1]['reduce_zero_label'] = False
test_pipeline = _base_.test_pipeline
test_pipeline[2]['reduce_zero_label'] = False
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1]['transforms'][2][0]['reduce_zero_label'] = False

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        dataset=dict(type='LabelMapDataset', pipeline=train_pipeline)
    ),
)
val_dataloader = dict(
    dataset=dict(type='LabelMapDataset', pipeline=test_pipeline)
)
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=7e-5))
auto_scale_lr = dict(base_batch_size=8)
param_scheduler = _base_.param_scheduler
param_scheduler[0]['end'] = 500
param_scheduler[1].update(begin=500, end=max_iters)
train_cfg = dict(max_iters=max_iters, val_interval=2000)
default_hooks = dict(checkpoint=dict(interval=2000))
