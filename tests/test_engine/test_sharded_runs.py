"""FullyShard against DDP: the same runs, checkpoints and stops."""

import copy

import numpy as np
import pytest
import torch
from conftest import TINY as MODEL
from conftest import build
from dist_helpers import run_ranks
from sharded_runs import SHARD, cfg_of, run, run_all
from stopped_runs import same

from ccmim_mm.engine import FiniteOptimWrapper
from ccmim_mm.engine.hooks.preemption_hook import EXIT_CODE
from ccmim_mm.engine.runner.fully_shard import FullyShard

pytestmark = pytest.mark.slow

ACCUMULATED = {
    'train_dataloader.batch_size': 2,
    'optim_wrapper.accumulative_counts': 3,
}
RESUMED = dict(resume='auto')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('sharded')


@pytest.fixture(scope='module')
def runs(picture_folder, folder):
    """All runs of ccMIM, of both ranks, by name."""

    def job(name, options=(), sharded=True, **more):
        options = {**dict(options), **(SHARD if sharded else {})}
        return dict(
            data=picture_folder, work_dir=folder / name, options=options
        ) | {k: folder / v if k == 'copy_of' else v for k, v in more.items()}

    def pair(name, options=(), **more):
        return [
            job(f'{name}_{kind}', options, kind == 'sharded', **more)
            for kind in ('ddp', 'sharded')
        ]

    def resumed(name, of, **more):
        return job(name, copy_of=of, **RESUMED, **more)

    stop = ('stop', dict(iteration=4, rank=1))
    fp32 = {'optim_wrapper.optimizer.fused': False}
    # Where the attention chooses, little noise is another mask; and drop path
    # draws other numbers in bf16.
    random = {
        'model.mask_sampler.type': 'RandomMaskSampler',
        'model.backbone.drop_path_rate': 0.0,
    }
    jobs = [
        *pair('straight'),
        *pair('stopped', hook=stop),
        resumed('sharded_from_sharded', 'stopped_sharded'),
        resumed('sharded_from_ddp', 'stopped_ddp'),
        resumed('ddp_from_sharded', 'stopped_sharded', sharded=False),
        *pair('accumulated', ACCUMULATED, hook=('count', {})),
        *pair('spoilt', hook=('spoil', dict(iteration=2))),
        *pair('unfused', fp32, hook=('spoil', dict(iteration=2))),
        *pair('clipped', {'optim_wrapper.clip_grad': dict(max_norm=0.1)}),
        *pair('checkpointed', {'model.backbone.with_cp': True}),
        job(
            'kept',
            {
                'model_wrapper_cfg': dict(
                    type='FullyShard', reshard_after_forward=False
                )
            },
            sharded=False,
        ),
        job('random', random, sharded=False),
        job(
            'bf16',
            {
                'model_wrapper_cfg': dict(type='FullyShard', precision='bf16'),
                **random,
            },
            sharded=False,
        ),
        job('compiled', hook=('compile', dict(backend='eager'))),
        job('full_disk', hook=('full_disk', {})),
    ]
    return run_ranks(run_all, args=(jobs,))


def saved(folder, name, epoch=2):
    path = folder / name / f'epoch_{epoch}.pth'
    return torch.load(path, weights_only=True)


def assert_same(folder, mine, other, epoch=2):
    """Checkpoints of two runs, weights and optimizer, to the bit."""
    one, two = (saved(folder, name, epoch) for name in (mine, other))
    assert len(one['optimizer']['state']) > 20
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert same(one[part], two[part]), part
    versions = [state['state_dict']._metadata for state in (one, two)]
    assert versions[0] == versions[1]


@pytest.mark.parametrize(
    'name',
    ['straight', 'accumulated', 'spoilt', 'unfused', 'checkpointed'],
)
def test_a_sharded_run_is_that_of_ddp(name, runs, folder):
    for rank in runs:
        ddp, sharded = rank[f'{name}_ddp'], rank[f'{name}_sharded']
        assert len(ddp['loss']) >= 5
        assert np.array_equal(ddp['loss'], sharded['loss'], equal_nan=True)
        assert ddp['skipped'] == sharded['skipped']
    for epoch in (1, 2):
        assert_same(folder, f'{name}_ddp', f'{name}_sharded', epoch)


def test_a_broken_gradient_of_one_rank_is_skipped_by_both(runs):
    """The pictures were those of the second."""
    for name in ('spoilt_sharded', 'unfused_sharded'):
        assert [rank[name]['skipped'] for rank in runs] == [1, 1]
        for rank in runs:
            # A contrast over all pictures is broken for both.
            assert len(rank[name]['loss']) == 5
            assert np.isfinite(rank[name]['loss']).all()


@pytest.mark.parametrize(
    'name', ['sharded_from_sharded', 'sharded_from_ddp', 'ddp_from_sharded']
)
def test_stopped_within_an_epoch_and_resumed(name, runs, folder):
    for rank in runs:
        assert rank['stopped_sharded']['code'] == EXIT_CODE
        last = (rank[kind]['loss'][-1] for kind in (name, 'straight_ddp'))
        assert len(set(last)) == 1
    # The others go on with the main process's history.
    losses = runs[0][name]['loss'], runs[0]['straight_ddp']['loss']
    assert np.array_equal(*losses)
    assert_same(folder, name, 'straight_ddp')


def test_one_process_goes_on_from_a_sharded_run(runs, picture_folder, folder):
    """As from DDP's, and with the first losses of the two processes."""
    options = {'train_dataloader.batch_size': 8}
    found = {}
    for name in ('straight_ddp', 'straight_sharded'):
        work_dir = folder / f'one_{name}'
        cfg = cfg_of(
            picture_folder,
            work_dir,
            {**options, **SHARD},
            resume=str(folder / name / 'epoch_1.pth'),
        )
        found[name] = run(cfg)['loss']
    assert len(found['straight_ddp']) == 6
    assert np.array_equal(found['straight_ddp'], found['straight_sharded'])
    assert_same(folder, 'one_straight_ddp', 'one_straight_sharded')


def test_inner_steps_reduce_nothing(runs):
    """Two steps of three batches an epoch; six groups: 5 layers, the rest."""
    expected = [0, 0, 6] * 4
    for rank in runs:
        assert rank['accumulated_sharded']['counts'] == expected


def test_clipping_is_that_of_ddp(runs):
    """To rounding: the norm is summed up in another order."""
    for rank in runs:
        ddp, sharded = rank['clipped_ddp'], rank['clipped_sharded']
        # It clips.
        assert (ddp['norm'] > 0.1).all()
        assert len(ddp['norm']) == 6
        np.testing.assert_allclose(sharded['norm'], ddp['norm'], rtol=1e-4)
        np.testing.assert_allclose(sharded['loss'], ddp['loss'], rtol=1e-4)


def test_what_layers_keep_changes_nothing(runs, folder):
    assert_same(folder, 'kept', 'straight_ddp')


def test_layers_in_bf16(runs, folder):
    """The loss is near that of fp32, and what is saved is fp32."""
    for rank in runs:
        losses, expected = rank['bf16']['loss'], rank['random']['loss']
        np.testing.assert_allclose(losses, expected, rtol=0.02)
        assert not np.array_equal(losses, expected)
    state = saved(folder, 'bf16')['state_dict']
    kinds = {v.dtype for v in state.values() if v.is_floating_point()}
    assert kinds == {torch.float32}


def test_compiled_layers(runs):
    for rank in runs:
        losses = rank['compiled']['loss'], rank['straight_ddp']['loss']
        np.testing.assert_allclose(*losses, rtol=1e-5)


def test_a_full_disk_is_seen_by_all(runs, folder):
    """The run goes on, and saves when it can."""
    assert not (folder / 'full_disk/epoch_1.pth').exists()
    assert_same(folder, 'full_disk', 'straight_ddp')


def parts_of(rank):
    """A gradient that is broken in one process's part alone."""
    found = []
    for fused in (True, False):
        model = build(copy.deepcopy(MODEL))
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, fused=fused)
        FullyShard().shard(model, optimizer)
        wrapper = FiniteOptimWrapper(optimizer, precision='fp32')
        parameters = optimizer.param_groups[0]['params']
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        before = [p.detach().to_local().clone() for p in parameters]
        if rank:
            parameters[-1].grad.to_local().view(-1)[0] = float('inf')
        wrapper.step()
        after = [p.detach().to_local() for p in parameters]
        found.append((wrapper.broken.item(), same(before, after)))
        parameters[-1].grad = torch.ones_like(parameters[-1])
        wrapper.step()
        found.append((wrapper.broken.item(), same(before, after)))
    return found


def test_a_broken_part_of_a_gradient_stops_the_step_everywhere():
    expected = [(1.0, True), (0.0, False)] * 2
    assert run_ranks(parts_of) == [expected, expected]
