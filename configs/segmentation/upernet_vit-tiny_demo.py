# The demo's encoder (8 px patches, 128 wide, 4 layers) on the demo's scenes,
# at 96 pixels.
_base_ = 'upernet_vit-b_own.py'

data_root = 'data/demo'
crop_size = (96, 96)
max_iters = 1000

model = dict(
    data_preprocessor=dict(size=crop_size),
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
        out_indices=[0, 1, 2, 3],
    ),
    neck=dict(embed_dim=128),
    decode_head=dict(in_channels=[128] * 4, channels=64),
    auxiliary_head=dict(in_channels=128, channels=64),
    test_cfg=dict(_delete_=True, mode='whole'),
)

train_pipeline = _base_.train_pipeline
train_pipeline[2]['scale'] = crop_size
train_pipeline[3]['crop_size'] = crop_size
test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = crop_size
tta_pipeline = _base_.tta_pipeline
for resize, ratio in zip(
    tta_pipeline[1]['transforms'][0],
    (0.5, 0.75, 1.0, 1.25, 1.5, 1.75),
    strict=True,
):
    resize['scale'] = (int(96 * ratio), int(96 * ratio))

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(
        dataset=dict(
            data_prefix=dict(
                img_path='train', seg_map_path='label_maps/train'
            ),
            pipeline=train_pipeline,
        )
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        data_prefix=dict(img_path='val', seg_map_path='label_maps/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=16)
param_scheduler = _base_.param_scheduler
param_scheduler[0]['end'] = 50
param_scheduler[1].update(begin=50, end=max_iters)
train_cfg = dict(max_iters=max_iters, val_interval=250)
default_hooks = dict(checkpoint=dict(interval=500))
