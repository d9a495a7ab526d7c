# The tests' tiny run, with workers that persist, and a hook that says where
# it is.
_base_ = '../tiny_config.py'

custom_imports = dict(
    imports=['ccmim_mm', 'marks'], allow_failed_imports=False
)
train_dataloader = dict(num_workers=2, persistent_workers=True)
val_dataloader = dict(num_workers=1)
left_out = ('PanelHook', 'RunSummaryHook')
custom_hooks = [h for h in _base_.custom_hooks if h['type'] not in left_out]
custom_hooks += [dict(type='MarkHook')]
train_cfg = dict(max_epochs=4, val_interval=2)
