# The family in one study; docs/study/family.md has its outcome.
#     python tools/study.py run configs/study/grid_family.py \
#         --work-dir work_dirs/study_family
seeds = [0, 1, 2]

# epochs and warmup: of a method of length 1
datasets = dict(
    eurosat=dict(
        config='configs/study/ccmim_vit-tiny64.py', epochs=6, warmup=1
    )
)

# To every run: pictures are loaded by the process that trains; GPUs compute
# as CPUs do.
options = {
    'train_dataloader.num_workers': 0,
    'optim_wrapper.precision': 'fp32',
}

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
    imae_same_class={
        **imae,
        'train_dataloader.dataset.dataset.same_class_prob': 1.0,
    },
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
    # Rates, of 1e-3, of DenseCL 0.03
    mocov3_lr_3e_4={**mocov3, 'optim_wrapper.optimizer.lr': 3e-4},
    mocov3_lr_3e_3={**mocov3, 'optim_wrapper.optimizer.lr': 3e-3},
    simclr_lr_3e_4={**simclr, 'optim_wrapper.optimizer.lr': 3e-4},
    simclr_lr_3e_3={**simclr, 'optim_wrapper.optimizer.lr': 3e-3},
    densecl_lr_0_01={**densecl, 'optim_wrapper.optimizer.lr': 0.01},
    densecl_lr_0_1={**densecl, 'optim_wrapper.optimizer.lr': 0.1},
)

# Other lengths, in epochs of 6, with the cost of 6 epochs of ccMIM: `flops`,
# and by the clock of two CPU cores `minutes`; MoCo v3, SimCLR and
# masked_grad come to the same by both, and i-MAE's minutes to its 6 epochs.
lengths = {
    f'{method}_{cost}': dict(method=method, length=epochs / 6)
    for cost, counts in dict(
        flops=dict(
            mae=13,
            scored_masks=8,
            alignment=9,
            masked_grad=4,
            maskdistill=4,
            mimco=4,
            imae=7,
            mocov3=2,
            simclr=3,
            densecl=1,
        ),
        minutes=dict(
            mae=9,
            scored_masks=7,
            alignment=8,
            maskdistill=5,
            mimco=5,
            densecl=2,
        ),
    ).items()
    for method, epochs in counts.items()
}

# Drawn over the training; compared to.
core = [*methods][: [*methods].index('densecl') + 1]
references = ['mae', 'ccmim']
