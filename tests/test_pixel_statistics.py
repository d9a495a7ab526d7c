"""Mean and spread of pictures that no config can know."""

import copy

import numpy as np
import pytest
from other_configs import config_of, write_arrays

from ccmim_mm.datasets import UnreadablePictureError
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner import pixel_statistics
from ccmim_mm.engine.runner.pixel_statistics import fill_in_pixel_statistics
from ccmim_mm.engine.runner.prepare import prepare

NAME = 'ccmim_vit-tiny_demo'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    root = tmp_path / 'data'
    return root, write_arrays(root, (7, 9, 5), per_class=3)


def config(root, work_dir, channels=5):
    return config_of(NAME, root, work_dir, channels=channels)


def assert_statistics(cfg, pictures):
    values = np.concatenate([p.reshape(-1, p.shape[-1]) for p in pictures])
    values = values.astype(np.float64)
    held = cfg.data_preprocessor
    np.testing.assert_allclose(held.mean, values.mean(0), rtol=1e-9)
    spread = values.std(0)
    expected = np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(held.std, expected, rtol=1e-9)


def test_they_are_numpys_over_the_training_pictures(folder, tmp_path, capsys):
    root, pictures = folder
    # Of another size, whose pixels count as much.
    pictures.append(np.random.rand(31, 2, 5).astype(np.float32) * 1e3)
    np.save(root / 'train/a/large.npy', pictures[-1])
    cfg = prepare(config(root, tmp_path / 'run'))
    assert_statistics(cfg, pictures)
    said = capsys.readouterr().out
    assert 'mean and std of 5 channels, of 7 of 7 pictures: data_pre' in said
    shown = said.partition('data_preprocessor.mean=')[2].split()[0].split(',')
    assert [float(v) for v in shown] == [
        float(f'{v:.6g}') for v in cfg.data_preprocessor.mean
    ]


def test_a_channel_that_is_the_same_everywhere_has_a_spread_of_one(
    folder, tmp_path
):
    root, pictures = folder
    for path, picture in zip(
        sorted((root / 'train').rglob('*.npy')), pictures, strict=True
    ):
        picture[..., 2] = 60000
        picture[..., 4] = 0
        np.save(path, picture)
    cfg = prepare(config(root, tmp_path / 'run'))
    assert_statistics(cfg, pictures)
    assert cfg.data_preprocessor.std[2] == cfg.data_preprocessor.std[4] == 1
    assert cfg.data_preprocessor.mean[2] == 60000


def test_of_many_pictures_some_spread_evenly_are_read(
    folder, tmp_path, monkeypatch
):
    root, pictures = folder
    monkeypatch.setattr(pixel_statistics, 'PICTURES', 3)
    cfg = prepare(config(root, tmp_path / 'run'))
    # The first, the middle to even numbers, and the last of six.
    assert_statistics(cfg, [pictures[i] for i in (0, 2, 5)])


def test_numbers_that_a_config_has_are_not_measured(folder, tmp_path):
    root, _ = folder
    cfg = config(root, tmp_path / 'run')
    cfg.data_preprocessor.update(mean=[1.0] * 5, std=[2.0] * 5)
    prepare(cfg)
    assert cfg.data_preprocessor.mean == [1.0] * 5


def test_broken_pictures_are_passed_over(folder, tmp_path):
    root, pictures = folder
    paths = sorted((root / 'train').rglob('*.npy'))
    paths[0].write_bytes(b'\x93NUMPY broken')
    cfg = prepare(config(root, tmp_path / 'run'))
    assert_statistics(cfg, pictures[1:])
    for path in paths:
        path.write_bytes(b'no array')
    with pytest.raises(UnreadablePictureError, match=r'0\.npy'):
        prepare(config(root, tmp_path / 'run'))


def test_mixed_channels_are_refused_before_the_training(folder, tmp_path):
    root, _ = folder
    np.save(root / 'train/b/other.npy', np.zeros((20, 30, 8)))
    message = r'other\.npy: ChannelsError: 8 channels .* takes 5: --channels 8'
    cfg = config(root, tmp_path / 'run')
    cfg.experiment_name = 'mixed'
    with pytest.raises(UnreadablePictureError, match=message):
        ResilientRunner.from_cfg(cfg)
    assert not (tmp_path / 'run').exists()


def test_without_training_pictures_there_is_nothing_to_measure(
    folder, tmp_path
):
    cfg = config(folder[0], tmp_path / 'run')
    cfg.train_dataloader = None
    with pytest.raises(ValueError, match='no train_dataloader: give its num'):
        fill_in_pixel_statistics(cfg)


def test_a_run_that_is_resumed_keeps_its_numbers(folder, tmp_path, capsys):
    root, _ = folder
    run = tmp_path / 'run'
    first = prepare(config(root, run))
    run.mkdir(exist_ok=True)
    first.dump(run / 'config.py')
    # Brighter pictures since.
    np.save(root / 'train/a/new.npy', np.full((9, 9, 5), 1e6, np.float32))
    resumed = config(root, run)
    resumed.resume = True
    other = prepare(copy.deepcopy(resumed)).data_preprocessor.mean
    # Without a checkpoint there is nothing to go on with.
    assert other != list(first.data_preprocessor.mean)
    (run / 'epoch_1.pth').touch()
    # Also where a resume has left another.
    for others, summary in ((), '{}'), (['a.py'], '{"config": "config.py"}'):
        for name in others:
            (run / name).touch()
        (run / 'summary.json').write_text(summary)
        held = prepare(copy.deepcopy(resumed)).data_preprocessor
        assert list(held.mean) == list(first.data_preprocessor.mean)
        assert list(held.std) == list(first.data_preprocessor.std)
    (run / 'summary.json').unlink()
    assert list(prepare(resumed).data_preprocessor.mean) == list(other)
    told = capsys.readouterr().out
    assert 'several configs (a.py, config.py): mean and std are m' in told
