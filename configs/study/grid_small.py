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

# MAE in as many minutes as masked_grad, and in more than the others.
lengths = dict(_delete_=True, mae_x2_5=dict(method='mae', length=2.5))
