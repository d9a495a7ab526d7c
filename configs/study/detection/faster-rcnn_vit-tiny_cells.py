# Boxes of blood cells, at 160 pixels: 6 epochs of 26 steps.
_base_ = '../../detection/faster-rcnn_vit-tiny_demo.py'

data_root = 'data/study/cells'
image_size = (160, 160)
max_epochs = 6

model = dict(
    data_preprocessor=dict(pad_size_divisor=160),
    backbone=dict(img_size=160),
)
train_pipeline = _base_.train_pipeline
train_pipeline[3]['scale'] = image_size
train_pipeline[4]['crop_size'] = image_size
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = image_size
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

param_scheduler = _base_.param_scheduler
param_scheduler[1].update(end=max_epochs, milestones=[5])
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
