# Mask R-CNN with a plain ViT-B on COCO, ViTDet's recipe.
_base_ = [
    '../_base_/models/mask-rcnn_vit-base.py',
    '../_base_/datasets/coco_lsj1024.py',
    '../_base_/schedules/vitdet_100e.py',
    '../_base_/runtimes/detection.py',
]
