_base_ = ['mmdet::_base_/default_runtime.py', '../guards.py']

randomness = dict(seed=0)

default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook',
        by_epoch=False,
        interval=9219,
        max_keep_ckpts=3,
        save_best='auto',
    ),
)
log_processor = dict(by_epoch=False)
