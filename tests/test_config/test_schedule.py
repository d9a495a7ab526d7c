"""The length of a config's training, and its schedule."""

import math

import pytest
import torch
from conftest import ROOT, load
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from schedules import lengths

from ccmim_mm.apis import config_for_training
from ccmim_mm.config.schedule import scale_schedule
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.schedule_length import (
    schedule_length,
    schedule_problem,
    without_short_warm_ups,
)

pytestmark = pytest.mark.slow

PRETRAIN = 'ccmim_vit-tiny_demo'
CLASSIFY = 'classification/vit-tiny_finetune_demo'
SEGMENT = 'segmentation/upernet_vit-tiny_demo'


@pytest.mark.parametrize(
    ('name', 'number', 'expected'),
    [
        (
            'ccmim_vit-b',
            100,
            [dict(begin=0, end=5), dict(T_max=95, begin=5, end=100)],
        ),
        (
            'ccmim_vit-b',
            6,
            [dict(begin=0, end=0.3), dict(T_max=5.7, begin=0.3, end=6)],
        ),
        # Iterations beside epochs, and steps.
        (
            'detection/mask-rcnn_vit-b_own',
            12,
            [
                dict(begin=0, end=83),
                dict(begin=0, end=12, milestones=[9, 11]),
            ],
        ),
        (
            'detection/mask-rcnn_vit-b_own',
            2,
            [dict(begin=0, end=14), dict(begin=0, end=2, milestones=[1, 1])],
        ),
    ],
)
def test_the_length_of_each_part(name, number, expected):
    cfg = load(name)
    scale_schedule(cfg, epochs=number)
    assert [lengths(s) for s in cfg.param_scheduler] == expected
    for scheduler in cfg.param_scheduler:
        for key in ('begin', 'end'):
            if scheduler[key] == int(scheduler[key]):
                assert type(scheduler[key]) is int


def test_other_steps_are_scaled_too():
    def scaled(**scheduler):
        cfg = Config(
            dict(train_cfg=dict(max_iters=100), param_scheduler=scheduler)
        )
        scale_schedule(cfg, iters=40)
        return cfg.param_scheduler

    common = dict(by_epoch=False, begin=0, end=100)
    assert scaled(type='StepLR', step_size=30, **common).step_size == 12
    cycle = scaled(type='OneCycleLR', total_steps=100, **common)
    assert (cycle.total_steps, cycle.end) == (40, 40)
    restarts = scaled(type='CosineRestartLR', periods=[25, 75], **common)
    assert restarts.periods == [10, 30]
    several = scaled(a=[dict(type='PolyLR', **common)], b=[])
    assert several.a[0].end == 40


def rates(cfg, epoch_length):
    """Of every iteration, for a peak of 1."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(torch.optim.SGD([parameter], lr=1.0))
    configs, _ = without_short_warm_ups(cfg.param_scheduler, epoch_length)
    schedulers = [
        PARAM_SCHEDULERS.build(
            c, default_args=dict(optimizer=wrapper, epoch_length=epoch_length)
        )
        for c in configs
    ]
    found = []
    for done in range(1, cfg.train_cfg.max_epochs * epoch_length + 1):
        found.append(wrapper.param_groups[0]['lr'])
        wrapper.optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or done % epoch_length == 0:
                scheduler.step()
    return found


@pytest.mark.parametrize('name', [PRETRAIN, CLASSIFY])
@pytest.mark.parametrize('epochs', [1, 3, 64])
def test_a_scaled_schedule_has_the_same_shape(name, epochs):
    cfg = load(name)
    peak_at = cfg.param_scheduler[0].end / cfg.train_cfg.max_epochs
    scale_schedule(cfg, epochs=epochs)
    found = rates(cfg, 40)
    assert max(found) == pytest.approx(1, abs=1e-6)
    assert found.index(max(found)) / len(found) == pytest.approx(
        peak_at, abs=2 / len(found)
    )
    half = (0.5 - peak_at) / (1 - peak_at)
    assert found[len(found) // 2] == pytest.approx(
        (1 + math.cos(math.pi * half)) / 2, abs=0.1
    )
    assert found[-1] < 0.06


def test_a_warm_up_of_one_step_is_left_out():
    """mmengine's would keep the rate at its beginning for ever."""
    cfg = load(PRETRAIN)
    scale_schedule(cfg, epochs=1)
    left, lines = without_short_warm_ups(cfg.param_scheduler, 20)
    assert [s.type for s in left] == ['CosineAnnealingLR']
    assert lines == [
        'No warm-up: LinearLR from 0 to 0.0625 is shorter than two steps'
    ]
    assert max(rates(cfg, 20)) == pytest.approx(1)
    several = dict(a=cfg.param_scheduler, b=cfg.param_scheduler[1:])
    left, lines = without_short_warm_ups(several, 20)
    assert {k: len(v) for k, v in left.items()} == dict(a=1, b=1)
    assert len(lines) == 1
    left, lines = without_short_warm_ups(cfg.param_scheduler, 32)
    assert (len(left), lines) == (2, [])


def test_a_schedule_of_another_length_is_said():
    cfg = load(PRETRAIN)
    cfg.train_cfg.max_epochs = 40
    assert schedule_problem(cfg) == (
        'The schedule of the learning rate ends after 32 epochs, the '
        'training after 40: --epochs N sets both'
    )
    cfg = load(SEGMENT)
    cfg.train_cfg.max_iters = 10
    assert '--iters N' in schedule_problem(cfg)
    cfg.param_scheduler[1].by_epoch = True
    assert 'PolyLR of param_scheduler counts epochs' in schedule_problem(cfg)
    cfg.param_scheduler[1].by_epoch = False
    # Without an end it is mmengine's to set; a warm-up alone has none.
    cfg.param_scheduler[1].pop('end')
    assert schedule_problem(cfg) is None
    cfg.param_scheduler.pop()
    assert schedule_problem(cfg) is None
    cfg.train_cfg = None
    assert schedule_length(cfg) is None


def tiny_runner(data, work_dir, **kwargs):
    options = {'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None}
    cfg = config_for_training(
        ROOT / 'tests/tiny_config.py', options, data, work_dir, **kwargs
    )
    cfg.experiment_name = f'{work_dir}{kwargs}'
    return ResilientRunner.from_cfg(cfg)


def test_a_run_says_so_when_it_starts_and_has_its_warm_up(
    picture_folder, tmp_path
):
    said, short = 'The schedule of the learning rate', 'No warm-up: LinearLR'
    runner = tiny_runner(picture_folder, tmp_path / 'a')
    runner.check_input()
    assert said in log_of(tmp_path / 'a')
    # A sixteenth of 3 iterations
    runner = tiny_runner(picture_folder, tmp_path / 'b', epochs=1)
    runner.train()
    assert said not in log_of(tmp_path / 'b')
    assert short in log_of(tmp_path / 'b')
    first = runner.message_hub.get_scalar('train/lr').data[0][0]
    assert first == runner.cfg.optim_wrapper.optimizer.lr
    resumed = tiny_runner(picture_folder, tmp_path / 'b', resume='auto')
    resumed.check_input()
    assert said not in log_of(tmp_path / 'b')


def log_of(work_dir):
    return ''.join(path.read_text() for path in work_dir.glob('*/*.log'))


def test_lengths_that_are_none():
    path = ROOT / f'configs/{PRETRAIN}.py'
    for number in (0, -1):
        with pytest.raises(ValueError, match='give 1 or more'):
            config_for_training(path, epochs=number)
    with pytest.raises(ValueError, match='leave one of them out'):
        config_for_training(path, {'train_cfg.max_epochs': 3}, epochs=3)
    # What is set besides holds as it is said.
    cfg = config_for_training(path, {'param_scheduler.0.end': 1}, epochs=4)
    assert cfg.param_scheduler[0].end == 1
    assert cfg.param_scheduler[1].end == cfg.train_cfg.max_epochs == 4
