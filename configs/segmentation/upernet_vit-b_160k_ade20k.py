# UPerNet with a plain ViT-B on ADE20K, single scale, slide inference;
# tools/test.py --tta tests at six scales.
_base_ = [
    '../_base_/models/upernet_vit-base.py',
    '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/runtimes/segmentation.py',
]
