# A study that tests can run: 24 pictures, models of a few thousand weights.
seeds = [0]
datasets = dict(
    pictures=dict(
        config='tests/tiny_config.py',
        epochs=2,
        warmup=0.5,
        finetune=dict(
            config='configs/classification/vit-tiny_finetune_demo.py',
            epochs=1,
            warmup=0.5,
            options={
                'model.backbone.arch.embed_dims': 32,
                'model.backbone.arch.num_layers': 3,
                'model.backbone.arch.feedforward_channels': 64,
                'model.backbone.img_size': 32,
                'model.head.in_channels': 32,
                'train_dataloader.batch_size': 8,
                'train_dataloader.dataset.dataset.pipeline.1.scale': 32,
                'val_dataloader.dataset.dataset.pipeline.1.scale': 32,
                'val_dataloader.dataset.dataset.pipeline.2.crop_size': 32,
            },
        ),
    )
)
options = {'train_dataloader.num_workers': 0}
methods = dict(
    ccmim={},
    mae={
        'model.mask_sampler.type': 'RandomMaskSampler',
        'model.align_head': None,
    },
)
lengths = dict(mae_x1_5=dict(method='mae', length=1.5))
finetuned = ['no_pretraining', 'ccmim']
