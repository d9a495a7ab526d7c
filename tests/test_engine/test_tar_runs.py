"""Runs on tar shards: the same bits as on the folder they were made of."""

import sys

import numpy as np
import pytest
from command_helpers import forked
from conftest import ROOT
from dist_helpers import run_ranks
from resume_cases import NEVER, BrokenOffError, Stop
from run_helpers import bare, config, history, train
from stopped_runs import same

from ccmim_mm.apis import (
    config_for_training,
    extract_features,
    load_encoder,
)
from ccmim_mm.datasets import PictureTars
from ccmim_mm.datasets.data_root import leaf
from ccmim_mm.datasets.packing import pack
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.prepare import as_given, prepare
from ccmim_mm.look.pictures import choose, readable

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def shards(picture_folder, tmp_path_factory):
    """The tests' pictures in several shards a split."""
    out = tmp_path_factory.mktemp('shards') / 'data'
    pack(picture_folder, out, 20_000, seed=3)
    assert len(list((out / 'train').glob('*.tar'))) > 2
    return out


def run(data, work_dir, workers=0, *stops, resume=None, **options):
    """Two epochs, judged by nothing."""
    options |= {
        'train_dataloader.num_workers': workers,
        'optim_wrapper.accumulative_counts': 1,
    }
    cfg = bare(config(data, work_dir, 2, options, resume=resume))
    cfg.experiment_name = f'{work_dir}{workers}{stops}{resume}'
    runner = ResilientRunner.from_cfg(cfg)
    for stop in stops:
        runner.register_hook(Stop(*stop))
    try:
        runner.train()
    except (SystemExit, BrokenOffError):
        return None
    return runner


def weights(runner):
    return {k: v.clone() for k, v in runner.model.state_dict().items()}


@pytest.fixture(scope='module')
def of_folder(picture_folder, tmp_path_factory):
    return run(picture_folder, tmp_path_factory.mktemp('folder'))


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_shards_train_to_the_bits_of_their_folder(
    workers, shards, of_folder, tmp_path
):
    runner = run(shards, tmp_path, workers)
    assert isinstance(runner.train_dataloader.dataset.dataset, PictureTars)
    assert same(weights(runner), weights(of_folder))
    for name in ('loss', 'loss_rec'):
        assert np.array_equal(history(runner, name), history(of_folder, name))


@pytest.mark.parametrize('blocks', [False, True])
def test_a_run_stopped_within_an_epoch_goes_on_to_the_bit(
    blocks, shards, of_folder, tmp_path
):
    options = {}
    if blocks:
        sampler = 'train_dataloader.sampler'
        options = {
            f'{sampler}.shuffle': 'blocks',
            f'{sampler}.block_size': 4,
            f'{sampler}.window': 2,
        }
    straight = run(shards, tmp_path / 'straight', **options)
    # Another order of the same pictures, or the folder's.
    assert same(weights(straight), weights(of_folder)) != blocks
    assert run(shards, tmp_path / 'run', 0, (1, False), **options) is None
    resumed = run(shards, tmp_path / 'run', 0, NEVER, resume='auto', **options)
    assert resumed.iter == straight.iter
    assert same(weights(resumed), weights(straight))


def test_a_run_on_a_folder_goes_on_with_its_shards(
    shards, picture_folder, of_folder, tmp_path
):
    assert run(picture_folder, tmp_path, 0, (1, False)) is None
    resumed = run(shards, tmp_path, 0, NEVER, resume='auto')
    assert same(weights(resumed), weights(of_folder))


def test_another_block_order_within_an_epoch_is_refused(shards, tmp_path):
    name = 'train_dataloader.sampler.shuffle'
    assert run(shards, tmp_path, 0, (1, False), **{name: 'blocks'}) is None
    with pytest.raises(ValueError, match='the order blocks of 256'):
        run(shards, tmp_path, resume='auto')


def losses(rank, data, work_dir, launcher, batch_size):
    """Reconstruction losses of an epoch on this rank, and what it judged."""
    options = {'train_dataloader.batch_size': batch_size}
    runner = train(data, work_dir / launcher, 1, options, launcher=launcher)
    found = runner.message_hub.runtime_info['frozen_features']
    return history(runner, 'loss_rec'), found


def test_two_ranks_are_one_and_judge_as_the_folder(
    shards, picture_folder, tmp_path
):
    (first, judged), (second, also) = run_ranks(
        losses, args=(shards, tmp_path, 'pytorch', 4)
    )
    alone, of_one = losses(0, shards, tmp_path, 'none', 8)
    assert first[0] != second[0]
    assert np.isclose((first[0] + second[0]) / 2, alone[0], rtol=1e-5, atol=0)
    assert judged == also and judged[0] == of_one[0]
    _, folders = losses(0, picture_folder, tmp_path / 'folder', 'none', 8)
    assert of_one == folders


def test_features_and_pages_are_those_of_the_folder(
    shards, picture_folder, tmp_path
):
    runner = run(shards, tmp_path / 'run')
    checkpoint = str(tmp_path / 'run' / 'epoch_2.pth')
    found = []
    for name, data in (('a', picture_folder), ('b', shards)):
        out = tmp_path / f'{name}.npz'
        extract_features(
            runner.cfg,
            checkpoint,
            str(data / 'val'),
            str(out),
            attention_dir=str(tmp_path / name),
            num_workers=0,
        )
        with np.load(out) as arrays:
            found.append(dict(arrays))
        assert (tmp_path / name / 'red' / '0.png.png').is_file()
    one, other = found
    assert one.keys() == other.keys() >= {'paths', 'cls'}
    assert all(np.array_equal(one[key], other[key]) for key in one)
    shown = [choose(data / 'val', 4) for data in (picture_folder, shards)]
    assert shown[0].names == shown[1].names
    encoder = load_encoder(runner.cfg, checkpoint)
    _, inputs = readable(shown[0], encoder)
    assert same(readable(shown[1], encoder)[1], inputs)


def test_folders_and_shards_are_trained_on_together(
    shards, picture_folder, tmp_path
):
    cfg = bare(config(None, tmp_path, 2))
    data = cfg.train_dataloader.dataset
    pipeline = data.dataset.pipeline
    parts = [
        dict(
            type='PictureFolder',
            split='train',
            data_root=str(root),
            pipeline=pipeline,
        )
        for root in (picture_folder, shards)
    ]
    data.dataset = dict(type='ConcatDataset', datasets=parts)
    cfg.train_dataloader.sampler.shares = [1.0, 0.7]
    cfg.data_root = str(picture_folder)
    cfg.experiment_name = str(tmp_path)
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    kinds = [type(p).__name__ for p in data_of(runner).datasets]
    assert kinds == ['PictureFolder', 'PictureTars']
    # Of 24 + 17 pictures whole batches of 8.
    assert runner.iter == 2 * 5


def data_of(runner):
    return runner.train_dataloader.dataset.dataset


def test_a_task_takes_the_labels_and_goes_back_to_folders(
    shards, picture_folder, tmp_path
):
    path = ROOT / 'configs/classification/vit-tiny_finetune_demo.py'
    cfg = prepare(config_for_training(path, {}, shards, tmp_path))
    assert cfg.classes == ['blue', 'red']
    types = {leaf(cfg, stage).type for stage in ('train', 'val')}
    assert types == {'PictureTars'}
    other = as_given(cfg)
    other.data_root = str(picture_folder)
    assert leaf(prepare(other), 'train').type == 'PictureFolder'


def test_the_command_packs_and_says_what(picture_folder, tmp_path):
    command = [sys.executable, '-m', 'ccmim_tools', 'pack', picture_folder]

    def called(*rest):
        return forked([*command, tmp_path / 'out', *rest])

    done = called('--shard-size', '20KB')
    assert done.returncode == 0, done.stderr
    count = len(list((tmp_path / 'out').rglob('*.tar')))
    assert f'34 pictures in {count} shards' in done.stdout
    again = called()
    assert again.returncode == 1
    assert 'exists and is left untouched' in again.stderr
    assert 'Traceback' not in again.stderr
    assert called('--shard-size', 'big').returncode == 2
