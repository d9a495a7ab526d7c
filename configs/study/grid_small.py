# A third set for the small-data recipe, which was chosen on EuroSAT and pets:
# 6,000 of the photographs.
#     python tools/study.py run configs/study/grid_small.py \
#         --work-dir work_dirs/study_small
_base_ = 'grid_photographs.py'

datasets = dict(tinyin=dict(epochs=10, warmup=1))

# The same for all seeds and methods; features are judged by their labels too.
options = {
    'train_dataloader.dataset.dataset.max_pictures': 6000,
    'val_cfg.bank_dataloader.dataset.dataset.max_pictures': 6000,
    'train_dataloader.num_workers': 0,
}

# Wider and deeper: 192 wide, 6 layers
arch = 'model.backbone.arch.'
projector = 'model.align_head.projector.'
wide = {
    f'{arch}embed_dims': 192,
    f'{arch}num_layers': 6,
    f'{arch}num_heads': 6,
    f'{arch}feedforward_channels': 768,
    'model.neck.embed_dim': 192,
}
wide_aligned = {
    **wide,
    f'{projector}in_channels': 192,
    f'{projector}hid_channels': 192,
}
methods = dict(
    mae_wide={**wide, **_base_.random_masks, **_base_.no_alignment},
    ccmim_wide=wide_aligned,
    masked_grad_wide={**wide_aligned, 'model.masked_grad': True},
)

references = ['mae', 'mae_x2_5']

# MAE in as many minutes as masked_grad, and in more than the others; and
# other lengths, in epochs, each with its own full schedule.
lengths = dict(
    _delete_=True,
    mae_x2_5=dict(method='mae', length=2.5),
    **{
        f'{method}_{epochs}': dict(method=method, length=epochs / 10)
        for method in ('mae', 'alignment', 'ccmim', 'masked_grad')
        for epochs in (2, 5, 20)
    },
)
