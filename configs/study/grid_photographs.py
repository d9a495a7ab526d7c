# Learning curves over the budget, on 40,000 photographs of 64 pixels.
#     python tools/study.py run configs/study/grid_photographs.py
seeds = [0, 1, 2]

# epochs and warmup: of a method of length 1
datasets = dict(
    tinyin=dict(
        config='configs/study/ccmim_vit-tiny64.py', epochs=20, warmup=2
    )
)

# To every run; the number of workers changes no bit.
options = {
    'train_dataloader.num_workers': 2,
    'optim_wrapper.precision': 'fp32',
}

random_masks = {'model.mask_sampler.type': 'RandomMaskSampler'}
no_alignment = {'model.align_head': None}
methods = dict(
    mae={**random_masks, **no_alignment},
    alignment=random_masks,
    ccmim={},
    masked_grad={'model.masked_grad': True},
)

# Other lengths, in epochs, each with its own full schedule.
lengths = {
    f'{method}_{epochs}': dict(method=method, length=epochs / 20)
    for method in methods
    for epochs in (2, 5, 10, 40)
}

core = [*methods]
references = ['mae']
