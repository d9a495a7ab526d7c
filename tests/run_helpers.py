"""Real runs of a tiny model through the Runner."""

from conftest import ROOT
from mmengine.config import Config
from mmengine.runner import Runner

from ccmim_mm.apis import (
    apply_data,
    apply_device,
    apply_precision,
    apply_run_options,
)


def config(data, work_dir, epochs=2, options=(), **run_options):
    cfg = Config.fromfile(ROOT / 'tests/tiny_config.py')
    apply_device(cfg, 'cpu', 'none')
    apply_data(cfg, data)
    apply_precision(cfg, 'auto')
    cfg.merge_from_dict({'train_cfg.max_epochs': epochs, **dict(options)})
    # No name: a Runner's instances are global, by name.
    cfg.experiment_name = work_dir.name + str(epochs)
    apply_run_options(cfg, str(work_dir), **run_options)
    return cfg


def train(*args, **kwargs):
    runner = Runner.from_cfg(config(*args, **kwargs))
    runner.train()
    return runner


def history(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').data[0]
