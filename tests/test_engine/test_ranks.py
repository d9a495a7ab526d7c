"""What ranks wait for, and for how long."""

import logging
import os
import tarfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch.distributed as torch_dist
from conftest import ROOT
from dist_helpers import run_ranks
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list
from mmengine.logging import MessageHub
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import runner as mmengine_runner

from ccmim_mm.datasets import PictureFolder, Seeded, listing, walk
from ccmim_mm.engine import AtomicCheckpointHook, LookHook, PreemptionHook
from ccmim_mm.engine.hooks import preemption_hook
from ccmim_mm.engine.runner import portable_runner
from ccmim_mm.engine.runner.portable_runner import PortableRunner
from ccmim_mm.engine.runner.prepare import prepare

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize(
    ('cfg', 'seconds'),
    [({}, 1800), (dict(env_cfg=dict(dist_cfg=dict(timeout=7200))), 7200)],
)
def test_ranks_wait_as_long_where_they_ask_whether_to_stop(
    cfg, seconds, tmp_path, monkeypatch
):
    found = []

    def start(backend, timeout=None):
        found.append(timeout)

    monkeypatch.setattr(torch_dist, 'new_group', start)
    monkeypatch.setattr(preemption_hook, 'get_world_size', lambda: 2)
    runner = SimpleNamespace(work_dir=tmp_path, cfg=Config(cfg))
    hook = PreemptionHook()
    hook.before_train(runner)
    hook.after_run(runner)
    assert found == [timedelta(seconds=seconds)]


@DATASETS.register_module(force=True)
class MeetingFolder(PictureFolder):
    """Ranks meet where it is built, as they do for mmpretrain's CIFAR."""

    def load_data_list(self):
        barrier()
        return super().load_data_list()


def next_broadcast(rank, data, failing, kind):
    """What arrives after a page's pictures could not be read on a rank."""

    def fails(*args):
        raise OSError(5, 'Input/output error')

    if rank == failing:
        Seeded.__getitem__ = fails
    pipeline = [dict(type='LoadUprightImage'), dict(type='PackInputs')]
    hook = LookHook(dict(type=kind, data_root=data, pipeline=pipeline))
    runner = SimpleNamespace(logger=logging.getLogger('looked'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        hook.before_train(runner)
    told = ['of the first' if rank == 0 else None]
    broadcast_object_list(told)
    return told[0], hook.total


@pytest.mark.parametrize(
    ('failing', 'kind'),
    [(0, 'PictureFolder'), (1, 'PictureFolder'), (0, 'MeetingFolder')],
)
def test_pictures_that_one_rank_cannot_read_shift_no_broadcast(
    failing, kind, picture_folder
):
    data = str(picture_folder / 'val')
    found = run_ranks(next_broadcast, args=(data, failing, kind))
    assert [told for told, _ in found] == ['of the first'] * 2
    # Who looks has them, whatever happens to the other.
    assert [total for _, total in found] == [10 if failing else 0, 0]


#: Of the classes that the data have; and of 1,000, here two.
OWN = 'vit-tiny_finetune_demo', {}
OF_IMAGENET = 'vit-b_linear_90e_in1k', {'model.head.num_classes': 2}


def prepared(of, data, work_dir, rank, monkeypatch):
    """A rank's config before it can ask others, and the scans for it."""
    scans = []
    for module, name in ((listing, '_list_cached'), (walk, 'scan')):
        real = getattr(module, name)

        def counted(*args, real=real):
            scans.append(args)
            return real(*args)

        monkeypatch.setattr(module, name, counted)
    monkeypatch.setenv('LOCAL_RANK', str(rank))
    monkeypatch.setenv('RANK', str(rank))
    monkeypatch.setenv('WORLD_SIZE', '2')
    path, options = of
    cfg = Config.fromfile(CONFIGS / f'classification/{path}.py')
    cfg.merge_from_dict(options)
    cfg.merge_from_dict(dict(data_root=str(data), work_dir=str(work_dir)))
    found = prepare(cfg)
    monkeypatch.undo()
    return found, scans


@pytest.mark.parametrize('of', [OWN, OF_IMAGENET])
def test_one_rank_alone_lists_labelled_data_for_all(
    of, picture_folder, tmp_path, monkeypatch
):
    first, other = (
        prepared(of, picture_folder, tmp_path, rank, monkeypatch)
        for rank in (0, 1)
    )
    assert first[1] and not other[1]
    assert first[0].get('classes') == other[0].get('classes')
    assert other[0].get('classes') == (['blue', 'red'] if of is OWN else None)
    assert first[0].model == other[0].model


def test_shards_whose_classes_are_known_are_listed_by_one(
    picture_folder, tmp_path, monkeypatch
):
    for split in ('train', 'val'):
        (tmp_path / 'data' / split).mkdir(parents=True)
        with tarfile.open(tmp_path / f'data/{split}/0.tar', 'w') as tar:
            tar.add(picture_folder / split, '')
    first, other = (
        prepared(
            OF_IMAGENET, tmp_path / 'data', tmp_path / 'run', rank, monkeypatch
        )
        for rank in (0, 1)
    )
    assert first[1] and not other[1]


class Saving:
    """What the hook asks of a runner; saving is done by all processes."""

    def __init__(self, work_dir):
        self.work_dir, self.iter, self.saves = work_dir, 5, 0
        self.max_iters, self.epoch = 6, 0
        self.message_hub = MessageHub('saving')
        self.logger = logging.getLogger('saving')

    def save_checkpoint(self, out_dir, filename, **kwargs):
        self.saves += 1
        Path(out_dir, filename).touch()


def saves_of(rank, work_dir):
    """How often a rank saves, if one cannot note the last checkpoint."""

    def refuse(source, target):
        raise OSError(28, 'No space left on device')

    os.replace = refuse
    runner = Saving(work_dir)
    hook = AtomicCheckpointHook(by_epoch=False)
    hook.after_train_iter(runner, 5)
    runner.iter += 1
    hook.after_train(runner)
    return runner.saves


def test_ranks_save_alike_if_the_last_checkpoint_cannot_be_noted(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('iter_3.pth')
    assert run_ranks(saves_of, args=(tmp_path,)) == [1, 1]
    # What is newest is found without.
    assert [path.name for path in tmp_path.iterdir()] == ['iter_6.pth']
