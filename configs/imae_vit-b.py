# i-MAE, ViT-B/16, the release's 50 epochs, from a MAE of the same size with
# its decoder:
#     bash tools/dist_train.sh configs/imae_vit-b.py 8 --teacher CKPT
_base_ = [
    '_base_/models/imae_vit-base-p16.py',
    '_base_/datasets/imagenet_bs128.py',
    '_base_/schedules/adamw_coslr_50e.py',
    '_base_/runtimes/pretrain.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PanelHook', interval=10, dataset=_base_.panel_dataset),
]

# Partners from all other pictures. same_class_prob=1, the release's, draws
# them from the same class, which are labels in the pre-training.
train_dataloader = dict(
    batch_size=32,
    dataset=dict(dataset=dict(type='PicturePairs', same_class_prob=None)),
)
