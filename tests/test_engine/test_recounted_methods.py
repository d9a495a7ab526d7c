"""Averages and queues of a run that goes on with another batch."""

import pytest
import torch
from contrastive_models import AVERAGES, run_cfg, running, views_of
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from run_helpers import bare
from stopped_runs import same, stop

from ccmim_mm.engine import FiniteOptimWrapper


class Momenta(Hook):
    """What the key encoder's momentum follows, after each iteration."""

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, **kwargs):
        steps = int(runner.model.momentum_encoder.steps)
        ends = runner.message_hub.get_info('max_iters')
        self.seen.append((runner.iter + 1, steps, ends))


def cfg_of(method, data, work_dir, batch_size, **kwargs):
    options = {
        'train_cfg.max_epochs': 4,
        'train_dataloader.batch_size': batch_size,
    }
    cfg = bare(run_cfg(method, data, work_dir, options, **kwargs))
    cfg.experiment_name += str(batch_size)
    return cfg


@pytest.mark.parametrize(('first', 'then'), [(4, 8), (8, 4)])
def test_the_momentum_of_keys_follows_the_schedule_of_the_new_batch(
    first, then, picture_folder, tmp_path
):
    """Stopped at the second of four epochs' ends."""
    length = 24 // then
    half = 2 * 24 // first
    stop(cfg_of('mocov3', picture_folder, tmp_path, first), iteration=half - 1)
    cfg = cfg_of('mocov3', picture_folder, tmp_path, then, resume='auto')
    runner, momenta = RUNNERS.build(cfg), Momenta()
    runner.register_hook(momenta)
    runner.train()
    expected = range(2 * length + 1, 4 * length + 1)
    assert momenta.seen == [(i, i, 4 * length) for i in expected]


@pytest.mark.parametrize('method', AVERAGES)
def test_averages_count_as_the_run_does(method):
    model = running(method)
    steps = getattr(model, AVERAGES[method]).steps
    before = {n: b.clone() for n, b in model.named_buffers()}
    model.recount(12, 12, 4)
    model.recount(0, 12, 4)
    assert same(dict(model.named_buffers()), before)
    for was, iterations, now in ((3, (3, 12), 12), (12, (12, 3), 3)):
        assert steps == was
        model.recount(*iterations, 4)
        assert steps == now
    # Of a run with skipped steps, whose updates were taken back.
    steps.fill_(9)
    model.recount(10, 5, 4)
    assert steps == 5
    # One that began does not begin anew.
    steps.fill_(1)
    model.recount(10, 1, 4)
    assert steps == 1
    steps.fill_(0)
    model.recount(10, 5, 4)
    assert steps == 0


def test_a_broken_step_after_that_is_undone_to_the_new_count():
    model = running('mocov3')
    model.recount(3, 6, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    wrapper = FiniteOptimWrapper(optimizer)
    for factor, steps in ((1.0, 7), (float('nan'), 7), (1.0, 8)):
        views = [view * factor for view in views_of(4)]
        with wrapper.optim_context(model):
            losses = model.loss(views, None)
        wrapper.update_params(losses['loss'])
        assert model.momentum_encoder.steps == steps


@pytest.mark.parametrize('by_epoch', [True, False])
def test_densecl_goes_on_with_a_batch_that_its_place_is_no_multiple_of(
    by_epoch, picture_folder, tmp_path
):
    """24 pictures were trained on: place 8 of a queue of 16."""

    def cfg_with(batch_size, **kwargs):
        cfg = cfg_of('densecl', picture_folder, tmp_path, batch_size, **kwargs)
        if not by_epoch:
            kind = 'ResumableIterTrainLoop'
            cfg.train_cfg = dict(type=kind, max_iters=6)
            cfg.train_dataloader.sampler = dict(type='SeededInfiniteSampler')
            cfg.default_hooks.checkpoint.update(by_epoch=False, interval=3)
            cfg.param_scheduler = None
        return cfg

    stop(cfg_with(8), iteration=2)
    runner = RUNNERS.build(cfg_with(16, resume='auto'))
    runner.train()
    # Each of the other iterations fills the queue.
    assert runner.iter == (4 if by_epoch else 6)
    assert runner.model.queue_ptr == runner.model.queue2_ptr == 0


@pytest.mark.parametrize(
    ('place', 'batch_size', 'turned'),
    [(8, 8, 0), (8, 16, 8), (12, 8, 4), (12, 16, 12), (0, 16, 0), (4, 4, 0)],
)
def test_a_queue_that_turns_keeps_its_keys_in_order(place, batch_size, turned):
    model = running('densecl')
    for queue in (model.queue, model.queue2):
        queue.copy_(torch.arange(16.0).expand(8, 16))
    model.queue_ptr[0] = model.queue2_ptr[0] = place
    model.recount(3, 3, batch_size)
    assert model.queue_ptr == model.queue2_ptr == place - turned
    # The oldest key stays the next to go.
    expected = [(i + turned) % 16 for i in range(16)]
    for queue in (model.queue, model.queue2):
        assert queue[0].tolist() == expected
    model.loss(views_of(batch_size), None)
    assert model.queue_ptr == (place - turned + batch_size) % 16
