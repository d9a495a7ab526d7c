# What encoders that were pre-trained on photographs give elsewhere.
#     python tools/study.py run configs/study/grid_transfer.py
_base_ = 'grid_photographs.py'

# All fine-tunings start from this seed's pre-training; their own seeds differ.
transfer_from = 0
# The last in about MAE's minutes.
transferred = ['no_pretraining', 'mae', 'ccmim', 'masked_grad_10']

classes = 'configs/study/vit-tiny64_finetune.py'
top1 = {'top-1': ('accuracy/top1', 1.0)}
boxes = {'box AP': ('coco/bbox_mAP', 100.0)}
masks = {'mask AP': ('coco/segm_mAP', 100.0)}
few = 'train_dataloader.dataset.dataset.max_pictures'
quiet = {'default_hooks.checkpoint.max_keep_ckpts': 1}

transfers = dict(
    # Judged as it comes, before the one step that a training has at least.
    eurosat_frozen=dict(
        config='configs/study/ccmim_vit-tiny64.py',
        data='eurosat',
        options={'train_cfg.max_epochs': 1, few: 64},
        at='start',
        figures={
            'linear, CLS': ('linear_cls', 1.0),
            'linear, mean': ('linear_mean', 1.0),
            'kNN, CLS': ('knn_cls', 1.0),
            'kNN, mean': ('knn_mean', 1.0),
        },
    ),
    eurosat_100=dict(
        config=classes,
        data='eurosat',
        epochs=1,
        warmup=0.1,
        figures=top1,
    ),
    eurosat_10=dict(
        config=classes,
        data='eurosat',
        epochs=10,
        warmup=1,
        options={few: 900},
        figures=top1,
    ),
    eurosat_1=dict(
        config=classes,
        data='eurosat',
        epochs=100,
        warmup=10,
        options={few: 90, **quiet},
        figures=top1,
    ),
    pets=dict(
        config=classes,
        data='pets',
        epochs=20,
        warmup=2,
        options=quiet,
        figures=top1,
    ),
    pets_label_maps=dict(
        config='configs/study/segmentation/upernet_vit-tiny_pets.py',
        data='pets_dense',
        figures={'mIoU': ('mIoU', 1.0)},
    ),
    pets_masks=dict(
        config='configs/study/detection/mask-rcnn_vit-tiny_pets.py',
        data='pets_dense',
        figures={**boxes, **masks},
    ),
    cells=dict(
        config='configs/study/detection/faster-rcnn_vit-tiny_cells.py',
        data='cells',
        figures=boxes,
    ),
)
