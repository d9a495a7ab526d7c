"""Overrides of a config, and its length."""

import math

import pytest
import torch
from conftest import ROOT, load
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from schedules import lengths

from ccmim_mm.apis import apply_options, config_for_training, load_encoder
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.schedule_length import (
    scale_schedule,
    schedule_length,
    schedule_problem,
    without_short_warm_ups,
)

pytestmark = pytest.mark.slow

PRETRAIN = 'ccmim_vit-tiny_demo'
CLASSIFY = 'classification/vit-tiny_finetune_demo'
DETECT = 'detection/mask-rcnn_vit-tiny_demo'
SEGMENT = 'segmentation/upernet_vit-tiny_demo'


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        (PRETRAIN, {'modle.masked_grad': True}, 'modle; did you mean model'),
        (PRETRAIN, {'trainer': 1}, 'nothing reads trainer'),
        (PRETRAIN, {'batch_size': 8}, 'mean train_dataloader.batch_size'),
        (PRETRAIN, {'default_hooks.chekpoint.interval': 1}, 'checkpoint'),
        (PRETRAIN, {'train_cfg.max_epoch': 1}, 'mean train_cfg.max_epochs'),
        (PRETRAIN, {'train_cfg': dict(max_epoch=1)}, 'train_cfg.max_epoch:'),
        (SEGMENT, {'train_cfg.max_iter': 1}, 'mean train_cfg.max_iters'),
        (SEGMENT, {'train_cfg.max_epochs': 1}, 'takes no max_epochs'),
        (PRETRAIN, {'val_cfg.bank_dataloadr.x': 1}, 'val_cfg.bank_dataload'),
        (PRETRAIN, {'randomness.sed': 1}, 'mean randomness.seed'),
        (PRETRAIN, {'auto_scale_lr.enabled': True}, 'auto_scale_lr.enable'),
        (PRETRAIN, {'env_cfg.cudnn_benchmrk': True}, 'env_cfg.cudnn_bench'),
        (PRETRAIN, {'train_dataloader.batchsize': 8}, 'loader.batch_size'),
        # Variables of the file: read when it was.
        (DETECT, {'max_epochs': 1}, 'variable .* set train_cfg.max_epochs'),
        (PRETRAIN, {'train_pipeline.0.type': 'X'}, 'set train_dataloader'),
        (PRETRAIN, {'vis_backends.0.type': 'X'}, 'set visualizer.vis_backe'),
        # Places that are not there.
        (PRETRAIN, {'custom_hooks.99.x': 1}, r'list of \d+, .* has no 99'),
        (PRETRAIN, {'custom_hooks.last.x': 1}, 'it has no last'),
        (PRETRAIN, {'randomness.seed.x': 1}, r'randomness\.seed is 0, and'),
        # The data say.
        (CLASSIFY, {'model.head.num_classes': 7}, 'classes are counted'),
        (DETECT, {'model.roi_head': dict(a=dict(num_classes=7))}, 'counted'),
    ],
)
def test_an_override_that_means_nothing_is_refused(name, options, message):
    with pytest.raises(ValueError, match=f'{message}') as error:
        apply_options(load(name), options)
    assert '\n' not in str(error.value)


def test_overrides_that_mean_something(tmp_path):
    options = {
        'model.backbone.arch': dict(_delete_=True, embed_dims=8),
        'custom_hooks.0.type': 'PreemptionHook',
        'default_hooks.mine.type': 'EMAHook',
        'default_hooks.mine.momentum': 0.1,
        'find_unused_parameters': True,
        'trust_checkpoint': True,
        'train_cfg.type': 'EpochBasedTrainLoop',
        'train_cfg.val_begin': 3,
        'train_dataloader.num_batch_per_epoch': 2,
        'env_cfg.resource_limit': 8,
        'visualizer.vis_backends.0.type': 'TensorboardVisBackend',
        'experiment_name': 'mine',
    }
    cfg = load(PRETRAIN)
    apply_options(cfg, options)
    assert cfg.model.backbone.arch == dict(embed_dims=8)
    assert cfg.custom_hooks[0].type == 'PreemptionHook'
    assert cfg.default_hooks.mine == dict(type='EMAHook', momentum=0.1)
    assert cfg.find_unused_parameters and cfg.experiment_name == 'mine'
    # A key of one's own, for a hook of one's own.
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = '{ROOT}/configs/{PRETRAIN}.py'\nmine = 1\n")
    cfg = Config.fromfile(own)
    apply_options(cfg, {'mine': 2})
    assert cfg.mine == 2
    # Given dicts stay as they are.
    assert options['model.backbone.arch']['_delete_']


def test_every_way_in_refuses_a_typo(tmp_path):
    path, options = ROOT / f'configs/{PRETRAIN}.py', {'modle.x': 1}
    with pytest.raises(ValueError, match='did you mean model'):
        config_for_training(path, options)
    with pytest.raises(ValueError, match='did you mean model'):
        load_encoder(path, options=options)


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
