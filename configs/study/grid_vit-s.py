# The same study for GPUs, one run on each: ViT-S/16, 100 epochs. Not run yet.
#     python tools/study.py run configs/study/grid_vit-s.py
_base_ = 'grid_tiny.py'

datasets = dict(
    _delete_=True,
    imagenette=dict(
        config='configs/study/ccmim_vit-s_100e.py',
        epochs=100,
        warmup=10,
        finetune=dict(
            config='configs/classification/vit-b_finetune_own.py',
            epochs=100,
            warmup=5,
            options={
                'model.backbone.arch': 'deit-s',
                'model.head.in_channels': 384,
            },
        ),
    ),
)
options = dict(_delete_=True)

# 49 of 147 masked patches, a third again
methods = dict(
    align_a_third={'model.align_patches': 49},
    fast={'model.align_patches': 49},
)

# By FLOPs an epoch of ccMIM costs 1.4 of MAE at this size.
lengths = dict(_delete_=True, mae_x1_4=dict(method='mae', length=1.4))
