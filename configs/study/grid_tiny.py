# The study that two CPU cores can run; docs/study/README.md has its outcome.
#     python tools/study.py run configs/study/grid_tiny.py
seeds = [0, 1, 2]

# epochs and warmup: of a method of length 1
datasets = dict(
    eurosat=dict(
        config='configs/study/ccmim_vit-tiny64.py',
        epochs=6,
        warmup=1,
        finetune=dict(
            config='configs/study/vit-tiny64_finetune.py',
            epochs=1,
            warmup=0.1,
        ),
    ),
    pets=dict(
        config='configs/study/ccmim_vit-tiny64_pets.py',
        epochs=50,
        warmup=5,
        finetune=dict(
            config='configs/study/vit-tiny64_finetune.py',
            epochs=10,
            warmup=1,
        ),
    ),
)

# To every run: pictures are loaded by the process that trains.
options = {'train_dataloader.num_workers': 0}

random_masks = {'model.mask_sampler.type': 'RandomMaskSampler'}
no_alignment = {'model.align_head': None}
fewer_scores = {'model.backbone.score_layers': 1}
fewer_aligned = {'model.align_patches': 16}
methods = dict(
    mae={**random_masks, **no_alignment},
    scored_masks=no_alignment,
    alignment=random_masks,
    ccmim={},
    # The fast preset's approximations, one by one and together
    score_layers_1=fewer_scores,
    align_a_third=fewer_aligned,
    fast={**fewer_scores, **fewer_aligned},
    # Samplers
    gumbel={'model.mask_sampler.type': 'GumbelMaskSampler'},
    topk={'model.mask_sampler.type': 'TopKMaskSampler'},
    # One factor at a time around ccMIM
    temperature_0_2={'model.align_head.temperature': 0.2},
    temperature_1={'model.align_head.temperature': 1.0},
    weight_0_05={'model.align_head.loss_weight': 0.05},
    weight_0_2={'model.align_head.loss_weight': 0.2},
    mask_ratio_0_6={'model.mask_sampler.mask_ratio': 0.6},
    mask_ratio_0_9={'model.mask_sampler.mask_ratio': 0.9},
    masked_grad={'model.masked_grad': True},
    decoder_depth_1={'model.neck.decoder_depth': 1},
    decoder_depth_4={'model.neck.decoder_depth': 4},
)

# Other lengths, to compare at equal cost: an epoch of ccMIM costs as much as
# 2.1 of MAE by FLOPs and 1.7 by the clock of a CPU.
lengths = dict(
    mae_x1_7=dict(method='mae', length=5 / 3),
    mae_x2_1=dict(method='mae', length=13 / 6),
)

# Fine-tuned at the end; no_pretraining starts from random weights.
finetuned = ['no_pretraining', 'mae', 'scored_masks', 'alignment', 'ccmim']

# Drawn over the training; compared to.
core = ['mae', 'scored_masks', 'alignment', 'ccmim']
references = ['ccmim', 'mae']
