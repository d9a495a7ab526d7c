"""Straight, or stopped anywhere and resumed: the same to the bit."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from dist_helpers import run_ranks
from mmengine.hooks import Hook
from run_helpers import bare, config, history
from stopped_runs import assert_same_runs, run, stop, tiny

from ccmim_mm.apis import config_for_training
from ccmim_mm.datasets import SeededSampler
from ccmim_mm.engine.points import recall

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def straight(picture_folder, tmp_path_factory):
    return run(tiny(picture_folder, tmp_path_factory.mktemp('straight')))


@pytest.mark.parametrize(
    ('iteration', 'number'),
    [
        (0, signal.SIGTERM),
        (1, signal.SIGINT),
        (2, signal.SIGUSR1),
        (4, signal.SIGTERM),
    ],
)
def test_within_an_epoch_and_at_its_end(
    iteration, number, straight, picture_folder, tmp_path
):
    stop(tiny(picture_folder, tmp_path), iteration=iteration, number=number)
    name = signal.Signals(number).name
    marker = (tmp_path / 'preempted').read_text()
    assert marker == f'{name} at iteration {iteration + 1}\n'
    saved = (tmp_path / 'last_checkpoint').read_text()
    assert Path(saved).name == 'preempted.pth'
    # The handlers are gone again.
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    again = tiny(picture_folder, tmp_path, resume='auto')
    again.experiment_name += 'again'
    assert_same_runs(run(again), straight)
    # What the next checkpoint replaces is gone.
    assert not list(tmp_path.glob('preempted*'))


def test_with_accumulated_gradients(picture_folder, tmp_path):
    """24 pictures, 5 a batch, 2 accumulated: 2 steps an epoch, 4 left out."""
    shape = dict(batch_size=5, accumulation=2)
    expected = run(tiny(picture_folder, tmp_path / 'straight', **shape))
    assert expected.iter == 8
    work_dir = tmp_path / 'stopped'
    # Asked between the two halves of a step, it stops after the second.
    stop(tiny(picture_folder, work_dir, **shape), iteration=4)
    marker = (work_dir / 'preempted').read_text()
    assert marker == 'SIGTERM at iteration 6\n'
    cfg = tiny(picture_folder, work_dir, resume='auto', **shape)
    cfg.experiment_name += 'again'
    assert_same_runs(run(cfg), expected)


def test_a_checkpoint_never_cuts_a_step(picture_folder, tmp_path):
    options = {
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 3,
        'optim_wrapper.accumulative_counts': 2,
    }
    with pytest.raises(ValueError, match='to a multiple of 2'):
        run(bare(config(picture_folder, tmp_path, options=options)))


def test_every_step_has_the_gradients_of_its_batches_alone(
    picture_folder, tmp_path
):
    seen = []

    class Look(Hook):
        def after_train_iter(self, runner, **kwargs):
            grads = [p.grad for p in runner.model.parameters()]
            seen.append(any(g is not None for g in grads))

    run(tiny(picture_folder, tmp_path, 5, 2), Look())
    assert seen == [True, False] * 4


def two_ranks(rank, data, work_dir):
    """Straight; then stopped by the other rank's signal, and resumed."""

    def cfg(name, **kwargs):
        found = config_for_training(
            ROOT / 'tests/tiny_config.py',
            {'train_dataloader.batch_size': 4, 'train_cfg.max_epochs': 2},
            data,
            Path(work_dir, name.removesuffix('again')),
            'pytorch',
            **kwargs,
        )
        found.experiment_name = name
        return bare(found)

    os.environ['LOCAL_WORLD_SIZE'] = '2'
    expected = run(cfg('straight'))
    stop(cfg('stopped'), iteration=3, rank=1)
    resumed = run(cfg('stoppedagain', resume='auto'))
    names = [n for n, _ in expected.model.named_parameters()]
    a, b = (r.model.state_dict() for r in (resumed, expected))
    return (
        resumed.iter,
        all(torch.equal(a[n], b[n]) for n in names),
        # Rank 0 alone writes a log.
        rank != 0
        or np.array_equal(
            history(resumed, 'loss_rec'), history(expected, 'loss_rec')
        ),
    )


def test_two_ranks_stop_after_the_same_step(picture_folder, tmp_path):
    results = run_ranks(two_ranks, args=(picture_folder, tmp_path))
    assert results == [(6, True, True)] * 2


def test_another_batch_size_goes_on_from_an_epochs_end_alone(
    picture_folder, tmp_path
):
    stop(tiny(picture_folder, tmp_path), iteration=3)
    cfg = tiny(picture_folder, tmp_path, batch_size=4, resume='auto')
    cfg.experiment_name += 'other'
    with pytest.raises(ValueError, match=r'within an epoch, of 3 .*, here 6'):
        run(cfg)
    cfg = tiny(
        picture_folder,
        tmp_path,
        batch_size=4,
        resume=str(tmp_path / 'epoch_1.pth'),
    )
    cfg.experiment_name += 'epoch'
    runner = run(cfg)
    assert (runner.epoch, runner.iter) == (2, 12)
    # The rate is what it would have been with this batch from the start.
    whole = tiny(picture_folder, tmp_path / 'whole', batch_size=4)
    expected = history(run(whole), 'lr')
    np.testing.assert_allclose(history(runner, 'lr')[-6:], expected[-6:])


def test_a_stop_in_an_epochs_last_step_is_its_end(picture_folder, tmp_path):
    """No epoch is trained twice, whatever the batch is afterwards."""
    stop(tiny(picture_folder, tmp_path), iteration=2)
    cfg = tiny(picture_folder, tmp_path, batch_size=4, resume='auto')
    cfg.experiment_name += 'other'
    runner = run(cfg)
    assert (runner.epoch, runner.iter) == (2, 12)
    losses = history(runner, 'loss')
    assert len(losses) == 3 + 6


class Kill(Hook):
    """Die before an evaluation."""

    def before_val(self, runner):
        if runner.iter:
            raise KeyboardInterrupt


def test_what_was_missed_is_made_up_under_dynamic_intervals(
    picture_folder, tmp_path
):
    cfg = config(picture_folder, tmp_path, epochs=3)
    # After the second epoch for the first time.
    cfg.train_cfg.update(val_interval=9, dynamic_intervals=[(3, 1)])
    with pytest.raises(KeyboardInterrupt):
        run(cfg, Kill())
    cfg = config(picture_folder, tmp_path, epochs=3, resume='auto')
    cfg.train_cfg.update(val_interval=9, dynamic_intervals=[(3, 1)])
    cfg.experiment_name += 'again'
    points = recall(run(cfg).message_hub, 'frozen_features')
    assert [point['iter'] for point in points] == [0, 6, 9]


@pytest.mark.parametrize('pictures', [9, 10, 11, 16])
def test_ranks_have_as_many_pictures(pictures, monkeypatch):
    samplers = []
    for rank in range(4):
        info = lambda rank=rank: (rank, 4)  # noqa: E731
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', info)
        samplers.append(SeededSampler(range(pictures), seed=0))
        samplers[-1].round_to(2)
    lengths = {len(list(sampler)) for sampler in samplers}
    assert (
        lengths == {len(s) for s in samplers} == {-(-pictures // 4) // 2 * 2}
    )


def test_the_sampler_goes_on_where_it_was():
    sampler = SeededSampler(range(10), seed=0)
    sampler.round_to(4)
    assert len(sampler) == 8
    sampler.set_epoch(3)
    whole = list(sampler)
    assert len(whole) == 8
    sampler.advance(5)
    assert list(sampler) == whole[5:]
    other = SeededSampler(range(10), seed=1)
    other.round_to(4)
    other.load_state_dict(sampler.state_dict())
    other.set_epoch(3)
    assert list(other) == whole[5:]
    other.set_epoch(4)
    assert [k.epoch for k in other] == [4] * 8
    fewer = SeededSampler(range(9), seed=0)
    with pytest.raises(ValueError, match='pictures 10, here it is 9'):
        fewer.load_state_dict(sampler.state_dict())
