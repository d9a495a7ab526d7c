"""Runs that are stopped, and what makes two runs the same."""

import os
import signal

import numpy as np
import pytest
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from run_helpers import bare, config, history

from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.hooks.preemption_hook import EXIT_CODE

LOGGED = ('loss', 'loss_rec', 'loss_align', 'align_acc', 'lr')


class Signal(Hook):
    """Send this process a signal before an iteration."""

    priority = 'VERY_HIGH'

    def __init__(self, iteration, number=signal.SIGTERM, rank=0):
        self.iteration, self.number, self.rank = iteration, number, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration and get_rank() == self.rank:
            os.kill(os.getpid(), self.number)


def tiny(data, work_dir, batch_size=8, accumulation=1, **kwargs):
    """Two epochs of the 24 pictures, with drop path."""
    options = {
        'train_dataloader.batch_size': batch_size,
        'optim_wrapper.accumulative_counts': accumulation,
        'model.backbone.drop_path_rate': 0.2,
    }
    return bare(config(data, work_dir, options=options, **kwargs))


def run(cfg, hook=None):
    runner = ResilientRunner.from_cfg(cfg)
    if hook is not None:
        runner.register_hook(hook)
    runner.train()
    return runner


def stop(cfg, **kwargs):
    with pytest.raises(SystemExit) as stopped:
        run(cfg, Signal(**kwargs))
    assert stopped.value.code == EXIT_CODE


def same(a, b):
    """Whether two nested states are the same to the bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def assert_same_runs(resumed, straight, logged=LOGGED):
    assert resumed.iter == straight.iter
    assert same(resumed.model.state_dict(), straight.model.state_dict())
    states = [r.optim_wrapper.state_dict() for r in (resumed, straight)]
    assert same(*states)
    for name in logged:
        assert np.array_equal(history(resumed, name), history(straight, name))
