_base_ = 'mmpretrain::_base_/default_runtime.py'

custom_imports = dict(imports=['ccmim_mm'], allow_failed_imports=False)

randomness = dict(seed=0, diff_rank_seed=True)

default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    logger=dict(interval=50),
    checkpoint=dict(type='WholeCheckpointHook', interval=10, max_keep_ckpts=3),
)

custom_hooks = [
    dict(type='AgreementHook'),
    dict(type='PreemptionHook'),
    dict(type='CollapseHook'),
    dict(type='ThroughputHook'),
    dict(type='UnreadablePictureHook'),
    dict(type='InitialValHook'),
    dict(type='RunSummaryHook'),
]

# Seconds that a rank waits for another: longer than an evaluation takes.
env_cfg = dict(dist_cfg=dict(timeout=1800))

# TensorBoard, or likewise WandbVisBackend:
#     --cfg-options visualizer.vis_backends.0.type=TensorboardVisBackend
