# What keeps a run safe, of any task and however it is started. A config of
# another library takes it as a second base and adds the two hooks that take
# the place of default ones:
#     default_hooks = dict(
#         runtime_info=dict(type='DeferredRuntimeInfoHook'),
#         checkpoint=dict(type='AtomicCheckpointHook'),
#     )
custom_imports = dict(imports=['ccmim_mm'], allow_failed_imports=False)

# Finds the data, reads safely, resumes exactly.
runner_type = 'ResilientRunner'

# A checkpoint to start from, where there is nothing to resume; whether it may
# fill the model partly; whether checkpoints may run code.
pretrained = None
allow_partial = False
trust_checkpoint = False

custom_hooks = [
    dict(type='AgreementHook'),
    dict(type='PreemptionHook'),
    dict(type='SkippedStepsHook', max_skipped=10),
    dict(type='ThroughputHook'),
    dict(type='UnreadablePictureHook'),
    dict(type='RunSummaryHook'),
    dict(type='DueValHook', initial=False),
]
