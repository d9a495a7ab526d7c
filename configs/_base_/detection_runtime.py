_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(imports=['ccmim_mm'], allow_failed_imports=False)

randomness = dict(seed=0, diff_rank_seed=True)
default_hooks = dict(
    checkpoint=dict(
        by_epoch=False, interval=9219, max_keep_ckpts=3, save_best='auto'
    )
)
log_processor = dict(by_epoch=False)
