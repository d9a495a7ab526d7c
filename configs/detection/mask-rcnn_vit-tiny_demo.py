# The demo's encoder (8 px patches, 128 wide, 4 layers) on the demo's scenes,
# at 96 pixels: a map of 12 x 12, so the levels have strides 2 to 32.
_base_ = 'mask-rcnn_vit-b_own.py'

data_root = 'data/demo'
image_size = (96, 96)
strides = [2, 4, 8, 16, 32]
max_epochs = 12

roi_extractor = dict(out_channels=64, featmap_strides=strides[:4])
model = dict(
    data_preprocessor=dict(pad_size_divisor=96),
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=128,
            num_layers=4,
            num_heads=4,
            feedforward_channels=512,
        ),
        img_size=96,
        patch_size=8,
        window_size=6,
        num_global=2,
        with_cp=False,
    ),
    neck=dict(in_channels=128, out_channels=64),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        num_convs=1,
        anchor_generator=dict(strides=strides),
    ),
    roi_head=dict(
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            norm_cfg=None,
            in_channels=64,
            fc_out_channels=256,
        ),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=200, max_per_img=100), rcnn=dict(max_per_img=50)
    ),
)

train_pipeline = _base_.train_pipeline
train_pipeline[3]['scale'] = image_size
train_pipeline[4]['crop_size'] = image_size
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = image_size

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        dataset=dict(
            ann_file='annotations/instances_train.json',
            data_prefix=dict(img='train/'),
            pipeline=train_pipeline,
        )
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=2,
    dataset=dict(
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='val/'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='annotations/instances_val.json')
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=8)
param_scheduler = _base_.param_scheduler
param_scheduler[0]['end'] = 50
param_scheduler[1].update(end=max_epochs, milestones=[9, 11])
train_cfg = dict(max_epochs=max_epochs)
