# Why dense prediction gains what it gains from pre-training: one change at a
# time, from pre-trained and from random weights alike.
#     python tools/study.py run configs/study/grid_dense.py
_base_ = 'grid_transfer.py'

_common = dict(
    config='configs/study/segmentation/upernet_vit-tiny_pets.py',
    data='pets_dense',
    figures={'mIoU': ('mIoU', 1.0)},
)
_boxes = dict(
    config='configs/study/detection/mask-rcnn_vit-tiny_pets.py',
    data='pets_dense',
    figures={
        'box AP': ('coco/bbox_mAP', 100.0),
        'mask AP': ('coco/segm_mAP', 100.0),
    },
)
transfers = dict(
    _delete_=True,
    # As grid_transfer.py calls it: the same runs.
    pets_label_maps=_common,
    # The encoder's last norm, on the map of the last layer.
    final_norm=dict(_common, options={'model.backbone.final_norm': True}),
    # A new norm on every map that is handed on.
    norms=dict(
        _common,
        config='configs/study/segmentation/upernet_norms_vit-tiny_pets.py',
    ),
    # The last layer's map at all four scales.
    last_layer=dict(
        _common,
        config='configs/study/segmentation/upernet_last_vit-tiny_pets.py',
    ),
    rate_x3=dict(_common, options={'optim_wrapper.optimizer.lr': 3e-3}),
    no_layer_decay=dict(
        _common, options={'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0}
    ),
    frozen=dict(_common, options={'model.backbone.frozen_stages': 4}),
    # Boxes and masks, which gain least; as grid_transfer.py calls them.
    pets_masks=_boxes,
    boxes_rate_x3=dict(_boxes, options={'optim_wrapper.optimizer.lr': 1.5e-3}),
    # Nine epochs instead of three.
    boxes_x3=dict(
        _boxes,
        options={
            'train_cfg.max_epochs': 9,
            'train_cfg.val_interval': 9,
            'param_scheduler.1.end': 9,
            'param_scheduler.1.milestones': [6],
        },
    ),
)
