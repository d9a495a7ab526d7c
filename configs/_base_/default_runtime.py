_base_ = 'mmpretrain::_base_/default_runtime.py'

custom_imports = dict(imports=['ccmim_mm'], allow_failed_imports=False)

randomness = dict(seed=0, diff_rank_seed=True)

default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    logger=dict(interval=50),
    checkpoint=dict(interval=10, max_keep_ckpts=3),
)

custom_hooks = [
    dict(type='ThroughputHook'),
    dict(type='UnreadablePictureHook'),
    dict(type='InitialValHook'),
    dict(type='RunSummaryHook'),
]

# TensorBoard, or likewise WandbVisBackend:
#     --cfg-options visualizer.vis_backends.0.type=TensorboardVisBackend
