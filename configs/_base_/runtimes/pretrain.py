_base_ = ['mmpretrain::_base_/default_runtime.py', '../guards.py']

randomness = dict(seed=0)

default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    logger=dict(interval=50),
    checkpoint=dict(
        type='AtomicCheckpointHook', interval=10, max_keep_ckpts=3
    ),
)

*guards, due_val = _base_.custom_hooks
custom_hooks = [
    *guards,
    dict(type='CollapseHook'),
    dict(due_val, initial=True),
]

# Means over the window of all that is logged but rates, sizes, counts and
# figures of an evaluation, which are each its own.
log_processor = dict(
    mean_pattern=(
        r'^(?!.*(lr|momentum|memory|skipped|unreadable|/'
        r'|knn_|linear_|rankme_|alpha_))'
    )
)

# Seconds that a rank waits for another: longer than an evaluation takes.
env_cfg = dict(dist_cfg=dict(timeout=1800))

# TensorBoard, or likewise WandbVisBackend, beside what curves are drawn from:
#     visualizer = dict(
#         vis_backends=[
#             dict(type='LocalVisBackend'),
#             dict(type='TensorboardVisBackend'),
#         ]
#     )
