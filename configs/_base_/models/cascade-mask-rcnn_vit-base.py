# Three stages, each asking for more overlap (arXiv 1712.00726), in place of
# Mask R-CNN's one; mmdet's settings.
_base_ = 'mask-rcnn_vit-base.py'

_stds = [0.1, 0.05, 0.033]
_overlaps = [0.5, 0.6, 0.7]
_coder = 'DeltaXYWHBBoxCoder'
_head = _base_.model.roi_head.bbox_head
_rcnn = _base_.model.train_cfg.rcnn

model = dict(
    type='CascadeRCNN',
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[
            dict(
                _head,
                reg_class_agnostic=True,
                bbox_coder=dict(
                    type=_coder,
                    target_means=[0.0] * 4,
                    target_stds=[std, std, 2 * std, 2 * std],
                ),
            )
            for std in _stds
        ],
    ),
    train_cfg=dict(
        rcnn=[
            dict(
                _rcnn,
                assigner=dict(
                    _rcnn.assigner,
                    pos_iou_thr=overlap,
                    neg_iou_thr=overlap,
                    min_pos_iou=overlap,
                    match_low_quality=False,
                ),
            )
            for overlap in _overlaps
        ]
    ),
)
