# Mask R-CNN as in ViTDet (arXiv 2203.16527): windowed ViT-B, simple feature
# pyramid, layer norms in the heads.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='mmpretrain.LN2d')

model = dict(
    # To the size that the positions are for.
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        _delete_=True,
        type='WindowedViT',
        arch='base',
        img_size=1024,
        patch_size=16,
        drop_path_rate=0.1,
        window_size=14,
        num_global=4,
        with_cp=True,
    ),
    neck=dict(_delete_=True, type='SimpleFeaturePyramid', in_channels=768),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=norm_cfg,
        ),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
