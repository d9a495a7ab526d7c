# Why masks that are chosen by attention cost the CLS token.
#     python tools/study.py run configs/study/grid_masks.py \
#         --work-dir work_dirs/study_masks
seeds = [0, 1, 2]

datasets = dict(
    eurosat=dict(
        config='configs/study/ccmim_masks_vit-tiny64.py', epochs=6, warmup=1
    )
)

# To every run: pictures are loaded by the process that trains; GPUs compute
# as CPUs do.
options = {
    'train_dataloader.num_workers': 0,
    'optim_wrapper.precision': 'fp32',
}

sampler, encoder = 'model.mask_sampler.type', 'model.backbone.type'
methods = dict(
    alignment={sampler: 'RandomMaskSampler'},
    ccmim={},
    ranks={sampler: 'RankMaskSampler'},
    standardised={sampler: 'StandardMaskSampler'},
    hints={sampler: 'HintMaskSampler'},
    curriculum={sampler: 'CurriculumMaskSampler'},
    first_layer={'model.backbone.score_layers': 1},
    last_layer={encoder: 'LateScoresViT'},
    registers={encoder: 'RegisterViT'},
    random_registers={encoder: 'RegisterViT', sampler: 'RandomMaskSampler'},
    averaged={encoder: 'AveragedScoresViT'},
)

# Random masks for as many minutes and FLOPs as the others, with a schedule of
# their own.
lengths = dict(alignment_x1_5=dict(method='alignment', length=1.5))

# Drawn over the training; compared to.
core = [*methods]
references = ['ccmim', 'alignment', 'alignment_x1_5']
