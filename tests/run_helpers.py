"""Real runs of a tiny model through the Runner."""

from conftest import ROOT

from ccmim_mm.apis import config_for_training
from ccmim_mm.engine import CCMIMRunner


def config(data, work_dir, epochs=2, options=(), **run_options):
    cfg = config_for_training(
        ROOT / 'tests/tiny_config.py',
        data,
        {'train_cfg.max_epochs': epochs, **dict(options)},
        'cpu',
        work_dir=str(work_dir),
        **run_options,
    )
    # No name: a Runner's instances are global, by name.
    cfg.experiment_name = work_dir.name + str(epochs)
    return cfg


def train(*args, **kwargs):
    runner = CCMIMRunner.from_cfg(config(*args, **kwargs))
    runner.train()
    return runner


def history(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').data[0]


def bare(cfg):
    """The config without evaluation and pictures, for runs that are many."""
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    left_out = ('MaskPanelHook', 'InitialValHook', 'RunSummaryHook')
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type not in left_out]
    return cfg
