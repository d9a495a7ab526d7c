"""A config trained for another length."""

import copy

import pytest

from ccmim_mm.config.schedule import scale_schedule
from ccmim_mm.engine.runner.schedule_length import (
    schedule_length,
    schedule_problem,
)


def lengths(scheduler):
    keys = ('begin', 'end', 'T_max', 'milestones')
    return {k: scheduler[k] for k in keys if k in scheduler}


def check_another_length(before):
    """A config takes a quarter of its length, and keeps its shape."""
    cfg = copy.deepcopy(before)
    unit, training, schedule = schedule_length(cfg)
    assert schedule == training
    assert schedule_problem(cfg) is None
    number = training // 4
    scale_schedule(cfg, **{unit: number})
    assert cfg.train_cfg[f'max_{unit}'] == number
    assert schedule_length(cfg).schedule == number
    assert schedule_problem(cfg) is None
    ratio = number / training
    for new, old in zip(
        cfg.param_scheduler, before.param_scheduler, strict=True
    ):
        for key, value in lengths(old).items():
            # Steps, and what counts iterations, are rounded.
            assert new[key] == pytest.approx(
                [v * ratio for v in value]
                if key == 'milestones'
                else value * ratio,
                abs=1,
            )
    warm_up, decay = cfg.param_scheduler
    if decay.type != 'MultiStepLR':
        assert warm_up.end == decay.begin
    if 'T_max' in decay:
        assert decay.T_max == pytest.approx(decay.end - decay.begin)
    kept = 'val_interval'
    assert cfg.train_cfg.get(kept) == before.train_cfg.get(kept)
    assert cfg.default_hooks.checkpoint == before.default_hooks.checkpoint
    with pytest.raises(ValueError, match=f'give --{unit} N'):
        scale_schedule(cfg, **{dict(epochs='iters', iters='epochs')[unit]: 3})
