# The demo, and MAE beside it: as many epochs, and half as many again, as an
# epoch of it takes less.
#     python tools/make_demo_data.py data/demo
#     python tools/study.py run configs/study/grid_demo.py --data-root data
seeds = [0, 1, 2]

datasets = dict(
    demo=dict(config='configs/ccmim_vit-tiny_demo.py', epochs=32, warmup=2)
)

methods = dict(
    mae={
        'model.mask_sampler.type': 'RandomMaskSampler',
        'model.align_head': None,
    },
    ccmim={},
)

lengths = dict(mae_x1_5=dict(method='mae', length=1.5))

core = [*methods]
references = ['mae']
