"""Real runs of a tiny model through the Runner, and what one leaves."""

import json
from importlib import import_module

from conftest import ROOT

from ccmim_mm.apis import config_for_training
from ccmim_mm.engine import ResilientRunner


def config(data, work_dir, epochs=2, options=(), **run_options):
    options = {'train_cfg.max_epochs': epochs, **dict(options)}
    path = ROOT / 'tests/tiny_config.py'
    cfg = config_for_training(path, options, data, work_dir, **run_options)
    # No name: a Runner's instances are global, by name.
    cfg.experiment_name = f'{work_dir}{epochs}'
    return cfg


def train(*args, **kwargs):
    runner = ResilientRunner.from_cfg(config(*args, **kwargs))
    runner.train()
    return runner


def history(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').data[0]


def bare(cfg):
    """The config without evaluation and pictures, for runs that are many."""
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    left_out = ('PanelHook', 'DueValHook', 'RunSummaryHook')
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type not in left_out]
    return cfg


def use_operators(module, monkeypatch):
    """Have mmcv's own functions call a module's NMS and RoIAlign."""
    # By name, as a function hides each module of its name.
    for name in ('mmcv.ops.nms', 'mmcv.ops.roi_align'):
        monkeypatch.setattr(import_module(name), 'ext_module', module)


def a_run(place, method='CCMIM', rate=0.5, evaluated=True):
    """A work dir with what a run has logged."""
    log = place / '20260101_000000/vis_data'
    log.mkdir(parents=True)
    names = ('loss_rec', 'align_ce', 'lr')
    rows = [
        dict(dict.fromkeys(names, rate / i), iter=10 * i, time=3.0)
        for i in (1, 2, 3)
    ]
    (log / 'scalars.json').write_text('\n'.join(map(json.dumps, rows)))
    (place / 'config.py').write_text(f'model = dict(type={method!r})\n')
    if evaluated:
        points = [
            dict(iter=i, knn_cls=40.0 + i, rankme_cls=8.0, alpha_cls=1.2)
            for i in (0, 30)
        ]
        # One that was not finite has no figure there.
        points.append(dict(iter=40, knn_cls=50.0))
        text = json.dumps(dict(evaluations=points))
        (place / 'summary.json').write_text(text)
    return place
