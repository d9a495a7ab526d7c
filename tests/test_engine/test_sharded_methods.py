"""FullyShard under every method, judged and looked at, and what it refuses."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dist_helpers import run_ranks
from mmengine.registry import MODEL_WRAPPERS
from sharded_runs import SHARD, cfg_of, run, run_all
from stopped_runs import same
from teacher_cases import MIMCO, save_mae, save_teacher

from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.hooks.preemption_hook import EXIT_CODE
from ccmim_mm.engine.runner.sharded_runner import ShardedRunner

pytestmark = pytest.mark.slow

ONE = {'train_cfg.max_epochs': 1}
#: Parts that fill a vector of the CPU: torch's fused AdamW rounds what is
#: left over otherwise.
WIDE = {'model.neck.hid_channels': 32, 'model.neck.out_channels': 32}
PREDICTOR = {
    f'model.head.predictor.{side}_channels': 32
    for side in ('in', 'hid', 'out')
}
METHODS = ('mae', 'maskdistill', 'mimco', 'imae', 'simclr', 'mocov3')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('sharded_methods')


@pytest.fixture(scope='module')
def runs(picture_folder, folder):
    """Of both ranks, by name."""
    teacher = dict(
        path='tests/tiny_teacher_config.py', teacher=save_teacher(folder)[0]
    )
    mae = dict(path='tests/tiny_imae_config.py', teacher=save_mae(folder)[0])
    mimco = {
        'model.type': 'MimCo',
        'model.head': dict(MIMCO['head'], _delete_=True),
    }
    random = {
        'model.mask_sampler.type': 'RandomMaskSampler',
        'model.align_head': None,
    }
    jobs = []
    for kind, extra in (('ddp', {}), ('sharded', SHARD)):
        for name, options, more in (
            ('mae', random | ONE, {}),
            ('maskdistill', ONE, teacher),
            ('mimco', mimco | ONE, teacher),
            ('imae', ONE, mae),
            ('simclr', ONE | WIDE, dict(path='simclr')),
            ('mocov3', ONE | WIDE | PREDICTOR, dict(path='mocov3')),
            ('judged', {}, dict(whole=True)),
        ):
            jobs.append(
                dict(
                    data=picture_folder,
                    work_dir=folder / f'{name}_{kind}',
                    options=options | extra,
                    **more,
                )
            )
    stopped = dict(
        data=picture_folder,
        work_dir=folder / 'stopped',
        options=SHARD,
        whole=True,
    )
    jobs.append(stopped | dict(hook=('stop_judging', {})))
    jobs.append(
        stopped
        | dict(
            work_dir=folder / 'resumed',
            copy_of=folder / 'stopped',
            resume='auto',
        )
    )
    return run_ranks(run_all, args=(jobs,))


def assert_same(folder, mine, other, epoch):
    one, two = (
        torch.load(folder / n / f'epoch_{epoch}.pth', weights_only=True)
        for n in (mine, other)
    )
    for part in ('state_dict', 'optimizer'):
        assert same(one[part], two[part]), part
    versions = [state['state_dict']._metadata for state in (one, two)]
    assert versions[0] == versions[1]


@pytest.mark.parametrize('name', METHODS)
def test_every_method_is_that_of_ddp(name, runs, folder):
    for rank in runs:
        losses = [
            rank[f'{name}_{kind}']['loss'] for kind in ('ddp', 'sharded')
        ]
        assert len(losses[0]) == 3
        assert np.array_equal(*losses)
    assert_same(folder, f'{name}_ddp', f'{name}_sharded', 1)


def test_a_sharded_run_is_judged_and_looked_at(runs, folder):
    ddp, sharded = folder / 'judged_ddp', folder / 'judged_sharded'
    for rank in runs:
        judged = rank['judged_sharded']['judged']
        assert len(judged) == 3
        assert judged == rank['judged_ddp']['judged']
        assert np.array_equal(
            rank['judged_sharded']['loss'], rank['judged_ddp']['loss']
        )
    for pattern, count in (('panels/*.png', 3), ('look/*.html', 2)):
        mine, other = (sorted(f.glob(pattern)) for f in (sharded, ddp))
        assert [p.name for p in mine] == [p.name for p in other]
        assert len(mine) == count
    for path in sorted(ddp.glob('panels/*.png')):
        assert (
            path.read_bytes() == (sharded / 'panels' / path.name).read_bytes()
        )
    assert_same(folder, 'judged_ddp', 'judged_sharded', 2)


def test_stopped_in_an_evaluation_and_resumed(runs, folder):
    for rank in runs:
        assert rank['stopped']['code'] == EXIT_CODE
        assert rank['resumed']['judged'] == rank['judged_ddp']['judged']
    assert_same(folder, 'resumed', 'judged_ddp', 2)


def start(cfg):
    ResilientRunner.from_cfg(cfg)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'model_wrapper_cfg': dict(type='FullyShard', precision='fp8')},
            "precision='fp8': use None or 'bf16'",
        ),
        (
            {
                'model_wrapper_cfg': dict(
                    type='FullyShard', broadcast_buffers=False
                )
            },
            'has broadcast_buffers, which FullyShard does without: leave',
        ),
        (
            SHARD | {'find_unused_parameters': True},
            "find_unused_parameters is DDP's, .* leave it out",
        ),
    ],
)
def test_options_that_it_does_without(
    options, message, picture_folder, tmp_path
):
    with pytest.raises((TypeError, ValueError), match=message):
        start(cfg_of(picture_folder, tmp_path / 'run', options))


@pytest.mark.parametrize('path', ['tests/simclr_config.py', 'densecl'])
def test_models_that_it_is_not_for(path, picture_folder, tmp_path):
    """Of one process as of many."""
    cfg = cfg_of(picture_folder, tmp_path, SHARD, path)
    message = 'has no layers of plain ViTs to shard: leave model_wrapper_cfg'
    with pytest.raises(ValueError, match=message):
        start(cfg)


def test_an_average_needs_sharded_layers(picture_folder, tmp_path):
    options = {
        'model_wrapper_cfg': dict(
            type='FullyShard', reshard_after_forward=False
        )
    }
    cfg = cfg_of(picture_folder, tmp_path, options, 'mocov3')
    message = 'MoCoV3Method averages its encoder .*reshard_after_forward=True'
    with pytest.raises(ValueError, match=message):
        start(cfg)


def averaged(rank, data, work_dir):
    cfg = cfg_of(data, work_dir, SHARD, launcher='pytorch')
    cfg.custom_hooks.append(dict(type='EMAHook'))
    with pytest.raises(ValueError, match='leave the hook out, or model_wr'):
        run(cfg)


def test_an_average_by_a_hook(picture_folder, tmp_path):
    run_ranks(averaged, args=(picture_folder, tmp_path))


def test_another_runner():
    with pytest.raises(TypeError, match="set runner_type='ResilientRunner'"):
        MODEL_WRAPPERS.build(
            dict(type='FullyShard'),
            default_args=dict(module=torch.nn.Linear(1, 1)),
        )


def test_an_evaluation_after_the_training_shards_nothing_again():
    sharded = []
    runner = object.__new__(ShardedRunner)
    runner._blueprint, runner._is_sharded = torch.nn.Linear(1, 1), False
    runner._hooks, runner._has_loaded, runner._world_size = [], True, 2
    runner.model, runner.logger = None, logging.getLogger('sharded')
    runner.optim_wrapper = SimpleNamespace(optimizer=None)
    runner.sharding = SimpleNamespace(shard=lambda *args: sharded.append(args))
    for _ in range(2):
        runner.load_or_resume()
    assert len(sharded) == 1
