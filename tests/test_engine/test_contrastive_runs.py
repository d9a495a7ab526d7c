"""Contrastive methods as runs: two ranks, a stop, what is refused."""

from functools import partial

import contrastive_reference as expected
import numpy as np
import pytest
import torch
from contrastive_models import (
    PATHS,
    STEP,
    STEPS,
    STRIDES,
    keys_of,
    leaves,
    run_cfg,
    running,
    views_of,
)
from dist_helpers import run_ranks
from mmengine.registry import RUNNERS
from run_helpers import bare, history
from stopped_runs import same, stop
from torch.nn.parallel import DistributedDataParallel

pytestmark = pytest.mark.slow

BATCH = 4
DOUBLE = torch.float64


def one_rank(rank, data, work_dir):
    """A step of every method on this rank's half, and a run of the Runner."""
    found = {}
    for method in PATHS:
        model = running(method, DOUBLE)
        wrapped = DistributedDataParallel(model, broadcast_buffers=False)
        views = [
            view[rank * BATCH : (rank + 1) * BATCH]
            for view in views_of(2 * BATCH, DOUBLE)
        ]
        torch.manual_seed(7 + rank)
        losses = wrapped(views, None, mode='loss')
        sum(v for n, v in losses.items() if n.startswith('loss')).backward()
        found[method] = dict(
            losses={n: v.item() for n, v in losses.items()},
            grads={
                n: p.grad.numpy()
                for n, p in model.named_parameters()
                if p.requires_grad
            },
        )
    found['queue'] = model.queue.numpy()
    options = {
        'train_cfg.max_epochs': 1,
        'train_dataloader.batch_size': 4,
        # Of the recipes; on CPUs each rank normalises its own.
        'model.neck.norm_cfg.type': 'SyncBN',
        'model.head.predictor.norm_cfg.type': 'SyncBN',
    }
    cfg = run_cfg('mocov3', data, work_dir, options, launcher='pytorch')
    runner = RUNNERS.build(bare(cfg))
    runner.train()
    found['run'] = {
        n: v.numpy()
        for n, v in runner.model.module.state_dict().items()
        if 'running_' not in n
    }
    return found


def references():
    """The losses of one process that has all pictures, with gradients."""
    views = views_of(2 * BATCH, DOUBLE)
    for method in PATHS:
        model = running(method, DOUBLE)
        state = leaves(model)
        if method == 'simclr':
            losses = dict(loss=expected.simclr(state, views, ranks=2))
        elif method == 'mocov3':
            keys = keys_of(model, method)
            loss, _ = expected.mocov3(state, keys, views, STEP, STEPS, ranks=2)
            losses = dict(loss=loss)
        else:
            # The first rank's permutation.
            torch.manual_seed(7)
            losses = expected.densecl(
                state,
                keys_of(model, method),
                views,
                (model.queue, model.queue2),
                torch.randperm(2 * BATCH),
                STRIDES,
                ranks=2,
            )
        sum(v for n, v in losses.items() if n.startswith('loss')).backward()
        yield method, losses, state


def test_two_ranks_are_one_process(picture_folder, tmp_path):
    first, second = run_ranks(one_rank, args=(picture_folder, tmp_path))
    for method, losses, state in references():
        results = [r[method] for r in (first, second)]
        for name, value in losses.items():
            if name.startswith('loss'):
                mean = np.mean([r['losses'][name] for r in results])
                assert np.isclose(mean, value.item(), rtol=1e-6, atol=0), name
        for name, grad in results[0]['grads'].items():
            assert np.array_equal(grad, results[1]['grads'][name]), name
            torch.testing.assert_close(
                torch.from_numpy(grad), state[name].grad, rtol=1e-5, atol=1e-8
            )
    # What the next step is contrasted with.
    assert np.array_equal(first['queue'], second['queue'])
    for name, value in first['run'].items():
        assert np.array_equal(value, second['run'][name]), name


def assert_same_run(resumed, straight):
    assert resumed.iter == straight.iter == 6
    assert same(resumed.model.state_dict(), straight.model.state_dict())
    states = [r.optim_wrapper.state_dict() for r in (resumed, straight)]
    assert same(*states)


def resume(make, work_dir, iteration):
    """A run of a maker of configs, stopped behind an iteration."""
    stop(make(work_dir), iteration=iteration)
    resumed = RUNNERS.build(make(work_dir, resume='auto'))
    resumed.train()
    return resumed


def test_mocov3_trains_is_judged_and_resumes(picture_folder, tmp_path):
    make = partial(run_cfg, 'mocov3', picture_folder)
    straight = RUNNERS.build(make(tmp_path / 'a'))
    straight.train()
    points = straight.message_hub.runtime_info['frozen_features']
    assert [point['iter'] for point in points] == [0, 6]
    assert {*points[0]} >= {'knn_cls', 'knn_mean', 'linear_cls'}
    assert (tmp_path / 'a/curves.png').exists()
    panels = sorted(p.name for p in (tmp_path / 'a/panels').iterdir())
    assert panels == ['epoch_0000.png', 'epoch_0002.png']
    assert straight.model.momentum_encoder.steps == 6
    resumed = resume(make, tmp_path / 'b', iteration=3)
    assert_same_run(resumed, straight)
    for name in ('loss', 'contrast_acc', 'contrast_std'):
        assert np.array_equal(history(resumed, name), history(straight, name))


def test_densecl_resumes_with_its_queue_and_its_warm_up(
    picture_folder, tmp_path
):
    def with_panels(work_dir, **kwargs):
        cfg = run_cfg('densecl', picture_folder, work_dir, **kwargs)
        panels = [h for h in cfg.custom_hooks if h.type == 'PanelHook']
        cfg = bare(cfg)
        cfg.custom_hooks = [*cfg.custom_hooks, *panels]
        return cfg

    straight = RUNNERS.build(
        bare(run_cfg('densecl', picture_folder, tmp_path / 'a'))
    )
    straight.train()
    dense = history(straight, 'loss_dense')
    # The weight of the dense loss jumps after its hook's two iterations.
    assert (dense[:2] == 0).all() and (dense[2:] > 0).all()
    assert straight.model.queue_ptr == 6 * 8 % 16 == 0
    # With panels, which change nothing.
    resumed = resume(with_panels, tmp_path / 'b', iteration=0)
    assert_same_run(resumed, straight)
    assert np.array_equal(history(resumed, 'loss_dense'), dense)
    assert len([*(tmp_path / 'b/panels').iterdir()]) == 2
    assert not (tmp_path / 'a/panels').exists()


def test_simclr_resumes_within_an_epoch(picture_folder, tmp_path):
    def make(work_dir, **kwargs):
        return bare(run_cfg('simclr', picture_folder, work_dir, **kwargs))

    straight = RUNNERS.build(make(tmp_path / 'a'))
    straight.train()
    resumed = resume(make, tmp_path / 'b', iteration=3)
    assert_same_run(resumed, straight)
    for name in ('loss', 'contrast_acc', 'contrast_std', 'lr'):
        assert np.array_equal(history(resumed, name), history(straight, name))


@pytest.mark.parametrize(
    ('method', 'options', 'message'),
    [
        (
            'mocov3',
            {'optim_wrapper.accumulative_counts': 2},
            'accumulative_counts=1',
        ),
        (
            'densecl',
            {'optim_wrapper.accumulative_counts': 2},
            'accumulative_counts=1',
        ),
        ('densecl', {'model.queue_len': 18}, 'set it to 16,'),
        ('simclr', {'train_dataloader.batch_size': 1}, '2 or more'),
    ],
)
def test_what_cannot_learn_is_refused_before_the_first_step(
    method, options, message, picture_folder, tmp_path
):
    cfg = bare(run_cfg(method, picture_folder, tmp_path, options))
    with pytest.raises(ValueError, match=message):
        RUNNERS.build(cfg).train()


def test_simclr_may_accumulate(picture_folder, tmp_path):
    options = {
        'optim_wrapper.accumulative_counts': 2,
        'train_dataloader.batch_size': 4,
        'train_cfg.max_epochs': 1,
    }
    runner = RUNNERS.build(
        bare(run_cfg('simclr', picture_folder, tmp_path, options))
    )
    runner.train()
    assert runner.iter == 6
