"""What ranks wait for, and for how long."""

import logging
from types import SimpleNamespace

import pytest
import torch.distributed as torch_dist
from conftest import ROOT
from dist_helpers import run_ranks
from mmengine.config import Config
from mmengine.dist import broadcast_object_list
from mmengine.registry import DefaultScope
from mmengine.runner import runner as mmengine_runner

from ccmim_mm.datasets import Seeded
from ccmim_mm.engine import LookHook
from ccmim_mm.engine.runner import portable_runner
from ccmim_mm.engine.runner.portable_runner import PortableRunner

CONFIGS = ROOT / 'configs'
#: All that train: no parts of others, and no grids of a study.
PATHS = [
    str(path.relative_to(CONFIGS))
    for path in sorted(CONFIGS.rglob('*.py'))
    if '_base_' not in path.parts and not path.stem.startswith('grid_')
]


class StartedError(Exception):
    """A process group would be there."""


def patience(cfg, gpus, monkeypatch):
    """The timeout that a config's process group is started with, in s."""
    found = []

    def start(*args, timeout, **kwargs):
        found.append(timeout)
        raise StartedError

    monkeypatch.setattr(torch_dist, 'init_process_group', start)
    # What the parent starts a group of GPUs with.
    monkeypatch.setattr(mmengine_runner, 'init_dist', start)
    cuda = portable_runner.torch.cuda
    monkeypatch.setattr(cuda, 'device_count', lambda: gpus)
    runner = PortableRunner.__new__(PortableRunner)
    runner._launcher, runner._distributed = 'pytorch', True
    with pytest.raises(StartedError):
        runner.setup_env(cfg.get('env_cfg', {}))
    # mmengine takes a number.
    return found[0] if gpus else found[0].total_seconds()


def test_ranks_wait_half_an_hour_whatever_the_config(monkeypatch):
    waits = {}
    for path in PATHS:
        cfg = Config.fromfile(CONFIGS / path)
        assert cfg.runner_type == 'ResilientRunner', path
        for gpus in (0, 1):
            waits[path, gpus] = patience(cfg, gpus, monkeypatch)
    assert len(PATHS) > 60
    assert {*waits.values()} == {1800}, waits


@pytest.mark.parametrize('gpus', [0, 1])
def test_a_config_may_say_how_long(gpus, monkeypatch):
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(timeout=7200))))
    assert patience(cfg, gpus, monkeypatch) == 7200
    assert patience(Config(), gpus, monkeypatch) == 1800


def next_broadcast(rank, data, failing):
    """What arrives after a page's pictures could not be read on a rank."""

    def fails(*args):
        raise OSError(5, 'Input/output error')

    if rank == failing:
        Seeded.__getitem__ = fails
    pipeline = [dict(type='LoadUprightImage'), dict(type='PackInputs')]
    hook = LookHook(
        dict(type='PictureFolder', data_root=data, pipeline=pipeline)
    )
    runner = SimpleNamespace(logger=logging.getLogger('looked'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        hook.before_train(runner)
    told = ['of the first' if rank == 0 else None]
    broadcast_object_list(told)
    return told[0], hook.total


@pytest.mark.parametrize('failing', [0, 1])
def test_pictures_that_one_rank_cannot_read_shift_no_broadcast(
    failing, picture_folder
):
    data = str(picture_folder / 'val')
    found = run_ranks(next_broadcast, args=(data, failing))
    assert [told for told, _ in found] == ['of the first'] * 2
    # Who looks has them, whatever happens to the other.
    assert [total for _, total in found] == [10 if failing else 0, 0]
