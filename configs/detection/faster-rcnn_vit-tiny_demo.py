# Boxes alone on the demo's scenes.
_base_ = 'mask-rcnn_vit-tiny_demo.py'

model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)

load = dict(type='LoadAnnotations', with_bbox=True)
train_pipeline = _base_.train_pipeline
train_pipeline[1] = load
test_pipeline = _base_.test_pipeline
test_pipeline[2] = load
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
