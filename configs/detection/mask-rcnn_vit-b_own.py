# Your pictures with COCO-format boxes and masks, in one of the usual layouts
# (DIR/annotations/instances_train.json, DIR/train/..., likewise val):
#     python tools/train.py configs/detection/mask-rcnn_vit-b_own.py \
#         --data DIR --pretrained CKPT.pth
# Boxes without masks: faster-rcnn_vit-b_own.py. One process x 4 pictures,
# lr = 1e-4 * sqrt(4 / 64) = 2.5e-5, AdamW's rule of thumb for small batches.
_base_ = 'mask-rcnn_vit-b_100e_coco.py'

# None takes the annotations' categories.
classes = None
max_epochs = 36

train_pipeline = _base_.train_pipeline
train_pipeline[3]['ratio_range'] = (0.5, 2.0)
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    sampler=dict(type='SeededSampler'),
    dataset=dict(dataset=dict(pipeline=train_pipeline)),
)

optim_wrapper = dict(optimizer=dict(lr=2.5e-5))
auto_scale_lr = dict(base_batch_size=4)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(by_epoch=True, end=max_epochs, milestones=[28, 34])
train_cfg = dict(
    _delete_=True,
    type='ResumableEpochTrainLoop',
    max_epochs=max_epochs,
    val_interval=4,
)
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=4))
log_processor = dict(by_epoch=True)
