"""Which samplers the loops take that resume exactly."""

import pytest
from mmengine.registry import DATA_SAMPLERS
from run_helpers import bare, config

from ccmim_mm.datasets import (
    ResumableSampler,
    SeededInfiniteSampler,
    SeededSampler,
)
from ccmim_mm.engine import ResilientRunner

BY_EPOCHS = dict(type='ResumableEpochTrainLoop', max_epochs=2)
BY_ITERATIONS = dict(type='ResumableIterTrainLoop', max_iters=8)


@DATA_SAMPLERS.register_module()
class GoesOnSampler(SeededInfiniteSampler):
    """One of ours, changed by a user."""


@DATA_SAMPLERS.register_module()
class StopsSampler(SeededSampler):
    """Likewise."""


@DATA_SAMPLERS.register_module()
class RoundSampler(StopsSampler):
    """One that ended, and was made endless."""

    endless = True

    def __iter__(self):
        while True:
            yield from super().__iter__()
            self.consumed = 0


@DATA_SAMPLERS.register_module()
class SilentSampler(ResumableSampler):
    """A user's own, in the words of before there was ``endless``."""

    def __init__(self, dataset, seed=None):
        self.dataset = dataset
        self.inner = SeededSampler(dataset, seed=seed)
        self.epoch = 0

    def __len__(self):
        return len(self.inner)

    def __iter__(self):
        return iter(self.inner)

    def set_epoch(self, epoch):
        self.epoch, self.consumed = epoch, 0
        self.inner.set_epoch(epoch)

    def state_dict(self):
        return dict(epoch=self.epoch, consumed=self.consumed)

    def load_state_dict(self, state):
        self.consumed = state['consumed']


def runner_of(data, work_dir, loop, sampler):
    """24 pictures, 4 a batch: 6 iterations an epoch."""
    options = {'train_dataloader.batch_size': 4}
    cfg = bare(config(data, work_dir, options=options))
    cfg.train_cfg, cfg.param_scheduler = loop, None
    cfg.train_dataloader.sampler = dict(type=sampler)
    by_epoch = loop is BY_EPOCHS
    cfg.default_hooks.checkpoint.update(by_epoch=by_epoch, interval=9)
    return ResilientRunner.from_cfg(cfg)


@pytest.mark.parametrize(
    ('loop', 'sampler', 'message'),
    [
        (
            BY_ITERATIONS,
            'SeededSampler',
            r'^SeededSampler ends after an epoch.*ResumableIterTrainLoop '
            r"counts iterations: .*sampler\.type='SeededInfiniteSampler'",
        ),
        (
            BY_EPOCHS,
            'SeededInfiniteSampler',
            r'^SeededInfiniteSampler goes on after an epoch.*'
            r"counts epochs: .*sampler\.type='SeededSampler'",
        ),
        (BY_ITERATIONS, 'StopsSampler', '^StopsSampler ends .*`endless`'),
        (BY_EPOCHS, 'GoesOnSampler', '^GoesOnSampler goes on .*`endless`'),
        (
            BY_ITERATIONS,
            'DefaultSampler',
            r"DefaultSampler .*sampler\.type to 'SeededInfiniteSampler'",
        ),
    ],
)
def test_a_sampler_of_the_other_loop_is_refused_at_the_start(
    loop, sampler, message, picture_folder, tmp_path
):
    runner = runner_of(picture_folder, tmp_path, loop, sampler)
    with pytest.raises(ValueError, match=message):
        runner.build_train_loop(loop)


@pytest.mark.parametrize(
    ('loop', 'sampler', 'iterations'),
    [
        (BY_EPOCHS, 'StopsSampler', 12),
        (BY_ITERATIONS, 'GoesOnSampler', 8),
        (BY_ITERATIONS, 'RoundSampler', 8),
        (BY_EPOCHS, 'SilentSampler', 12),
    ],
)
def test_samplers_of_users_are_taken(
    loop, sampler, iterations, picture_folder, tmp_path
):
    runner = runner_of(picture_folder, tmp_path, loop, sampler)
    runner.train()
    assert runner.iter == iterations


def test_one_that_does_not_say_that_it_ends_is_named(picture_folder, tmp_path):
    runner = runner_of(picture_folder, tmp_path, BY_ITERATIONS, SilentSampler)
    with pytest.raises(ValueError, match=r'^SilentSampler ends before the t'):
        runner.train()
    assert runner.iter == 6
