# The family in one study; docs/study/family.md has its outcome.
#     python tools/study.py run configs/study/grid_family.py
seeds = [0, 1, 2]

# epochs and warmup: of a method of length 1
datasets = dict(
    eurosat=dict(
        config='configs/study/ccmim_vit-tiny64.py', epochs=6, warmup=1
    )
)

# To every run: pictures are loaded by the process that trains.
options = {'train_dataloader.num_workers': 0}

random_masks = {'model.mask_sampler.type': 'RandomMaskSampler'}
no_alignment = {'model.align_head': None}
# Of another config than the data set's; the teacher is the method's own run
# with the same seed.
blocks = dict(config='configs/study/ccmim_blocks_vit-tiny64.py')
mocov3 = dict(config='configs/study/mocov3_vit-tiny64.py')
simclr = dict(config='configs/study/simclr_vit-tiny64.py')
densecl = dict(config='configs/study/densecl_resnet18_64.py')
maskdistill = dict(config='configs/study/maskdistill_vit-tiny64.py')
mimco = dict(config='configs/study/mimco_vit-tiny64.py')
imae = dict(config='configs/study/imae_vit-tiny64.py', teacher='mae')
contrastive = dict(teacher='alignment')
untrained = {
    'model.teacher.random.embed_dims': 128,
    'model.teacher.random.num_layers': 4,
    'model.teacher.random.num_heads': 4,
    'model.teacher.random.feedforward_channels': 512,
    'model.teacher.random.patch_size': 8,
}
methods = dict(
    mae={**random_masks, **no_alignment},
    scored_masks=no_alignment,
    alignment=random_masks,
    ccmim={},
    masked_grad={'model.masked_grad': True},
    maskdistill={**maskdistill, **contrastive},
    mimco={**mimco, **contrastive},
    imae=imae,
    mocov3=mocov3,
    simclr=simclr,
    densecl=densecl,
    # Controls and ablations
    mae_blocks={**blocks, **no_alignment},
    alignment_blocks=blocks,
    maskdistill_untrained={**maskdistill, **untrained},
    maskdistill_pixels={
        **maskdistill,
        'model.teacher.kind': 'pixel',
        'model.head.out_channels': 192,
    },
    mimco_of_mocov3={**mimco, 'teacher': 'mocov3'},
    mimco_patches={**mimco, **contrastive, 'model.head.image_weight': 0},
    mimco_images={**mimco, **contrastive, 'model.head.patch_weight': 0},
    mimco_l1={**mimco, **contrastive, 'model.head.patch_loss': 'l1'},
    mimco_uncentred={**mimco, **contrastive, 'model.head.center': False},
    simclr_uncoloured={
        **simclr,
        'train_dataloader.dataset.dataset.pipeline.1.transforms.0.1.prob': 0,
    },
    densecl_global={**densecl, 'model.loss_lambda': 0},
)

# Drawn over the training; compared to.
core = [*methods][:11]
references = ['mae', 'ccmim']
