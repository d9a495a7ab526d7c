# SimCLR on a ViT, by MoCo v3's recipe: docs/methods/simclr.md.
_base_ = [
    '_base_/models/simclr_vit-small-p16.py',
    '_base_/datasets/imagenet_bs256_mocov3.py',
    '_base_/schedules/mocov3_adamw_coslr_300e.py',
    '_base_/runtimes/pretrain.py',
]

optim_wrapper = dict(modules=['backbone', 'neck'])
