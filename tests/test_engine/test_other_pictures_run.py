"""Runs on pictures of 13 channels, 32 pixels high and 48 wide."""

import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT, TINY
from mmengine.config import Config
from PIL import Image
from run_helpers import bare, config, history
from stopped_runs import assert_same_runs, run, stop

from ccmim_mm.apis import (
    config_for_testing,
    config_for_training,
    extract_features,
)
from ccmim_mm.checkpoints import read_as_project
from ccmim_mm.engine import ResilientRunner

pytestmark = pytest.mark.slow

CHANNELS, SIZE, GRID = 13, (32, 48), (4, 6)
ASKED = dict(img_size=SIZE, channels=CHANNELS)


def values_of(bands, count=4):
    paths = sorted((bands / 'val').rglob('*.tif'))[:count]
    return paths, [tifffile.imread(path) for path in paths]


def test_it_trains_is_judged_and_drawn(bands_run):
    runner, work_dir = bands_run
    assert runner.iter == 6
    for name in ('loss', 'loss_rec', 'loss_align'):
        assert np.isfinite(history(runner, name)).all()
    assert runner.model.backbone.patch_resolution == GRID
    for epoch in (0, 2):
        panel = work_dir / f'panels/epoch_{epoch:04d}.png'
        assert np.asarray(Image.open(panel)).std() > 10
    points = runner.message_hub.runtime_info['frozen_features']
    assert [point['iter'] for point in points] == [0, 3, 6]
    (log,) = work_dir.glob('*/*.log')
    text = log.read_text()
    assert 'Panels: ' not in text and 'could not' not in text


def test_its_config_has_the_pictures_mean_and_spread(bands_run, bands):
    (path,) = bands_run[1].glob('*.py')
    held = Config.fromfile(path).data_preprocessor
    every = [tifffile.imread(p) for p in (bands / 'train').rglob('*.tif')]
    values = np.concatenate([v.reshape(-1, CHANNELS) for v in every])
    values = values.astype(np.float64)
    np.testing.assert_allclose(held.mean, values.mean(0))
    np.testing.assert_allclose(held.std, values.std(0))


def test_a_stopped_run_goes_on_to_the_bit(bands, tmp_path):
    straight = run(bare(config(bands, tmp_path / 'straight', 2, **ASKED)))
    work_dir = tmp_path / 'stopped'
    stop(bare(config(bands, work_dir, 2, **ASKED)), iteration=3)
    again = bare(config(bands, work_dir, 2, resume='auto', **ASKED))
    again.experiment_name += 'again'
    assert_same_runs(run(again), straight)


def test_a_test_of_the_checkpoint_finds_the_runs_figures(bands_run, tmp_path):
    runner, work_dir = bands_run
    cfg = config_for_testing(
        work_dir, str(work_dir / 'epoch_2.pth'), work_dir=tmp_path
    )
    cfg.experiment_name = f'test{tmp_path}'
    figures = ResilientRunner.from_cfg(cfg).test()
    last = dict(runner.message_hub.runtime_info['frozen_features'][-1])
    del last['iter']
    assert {'knn_cls', 'linear_mean'} < last.keys()
    assert last.items() <= figures.items()


def fine_tuned(bands, work_dir, pretrained, **asked):
    arch = dict(_delete_=True, **TINY['backbone']['arch'])
    options = {
        'model.backbone.arch': arch,
        'model.head.in_channels': 32,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
    }
    for stage in ('train', 'val', 'test'):
        options[f'{stage}_dataloader.num_workers'] = 0
        options[f'{stage}_dataloader.persistent_workers'] = False
    cfg = config_for_training(
        ROOT / 'configs/classification/vit-tiny_finetune_demo.py',
        options,
        bands,
        work_dir,
        pretrained=str(pretrained),
        batch_size=6,
        **asked,
    )
    cfg.experiment_name = f'finetune{work_dir}'
    return cfg


def test_it_is_fine_tuned_and_its_predictions_drawn(
    bands_run, bands, tmp_path
):
    saved = bands_run[1] / 'epoch_2.pth'
    cfg = fine_tuned(bands, tmp_path / 'run', saved, **ASKED)
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    before = read_as_project(saved).state
    name = 'backbone.patch_embed.projection.weight'
    after = runner.model.state_dict()[name]
    assert after.shape == (32, CHANNELS, 8, 8)
    assert torch.allclose(after, before[name], atol=0.01)
    accuracy = runner.message_hub.get_scalar('val/accuracy/top1').current()
    assert 0 <= accuracy <= 100
    show_dir = tmp_path / 'shown'
    (own,) = (tmp_path / 'run').glob('*.py')
    cfg = config_for_testing(
        own,
        str(tmp_path / 'run/epoch_1.pth'),
        data=bands,
        work_dir=tmp_path / 'test',
        show_dir=str(show_dir),
    )
    cfg.experiment_name = f'drawn{tmp_path}'
    cfg.visualizer.name = cfg.experiment_name
    ResilientRunner.from_cfg(cfg).test()
    drawn = {str(p.relative_to(show_dir)) for p in show_dir.rglob('*.png')}
    paths = (bands / 'val').rglob('*.tif')
    assert drawn == {f'{p.relative_to(bands)}.png' for p in paths}
    picture = np.asarray(Image.open(next(show_dir.rglob('*.png'))))
    assert picture.std() > 10


def test_a_checkpoint_of_other_pictures_is_said_to_be_one(
    bands_run, bands, tmp_path
):
    saved = bands_run[1] / 'epoch_2.pth'
    cfg = fine_tuned(bands, tmp_path / 'run', saved, img_size=SIZE)
    message = '13 channels: --channels 13 trains on such'
    with pytest.raises(ValueError, match=message):
        ResilientRunner.from_cfg(cfg).check_input()


def test_fixed_positions_are_brought_to_a_square(bands_run, bands, tmp_path):
    saved = bands_run[1] / 'epoch_2.pth'
    cfg = fine_tuned(bands, tmp_path / 'run', saved, channels=CHANNELS)
    runner = ResilientRunner.from_cfg(cfg)
    runner.check_input()
    table = read_as_project(saved).state['backbone.pos_embed'][:, 1:]
    wide = table.unflatten(1, GRID).permute(0, 3, 1, 2)
    backbone = runner.model.backbone
    own = backbone.patch_resolution
    assert own[0] == own[1]
    expected = torch.nn.functional.interpolate(wide, own, mode='bicubic')
    found = backbone.pos_embed[:, 1:]
    torch.testing.assert_close(found.mT, expected.flatten(2))


def test_a_square_table_is_brought_to_two_sides(bands_run, bands, tmp_path):
    """4 x 6 patches and the CLS token are 25, which is no square of 5."""
    cfg = bare(config(bands, tmp_path / 'square', 1, channels=CHANNELS))
    run(cfg)
    saved = str(tmp_path / 'square/epoch_1.pth')
    cfg = config(bands, tmp_path / 'wide', 1, pretrained=saved, **ASKED)
    cfg = bare(cfg)
    cfg.experiment_name += 'wide'
    runner = ResilientRunner.from_cfg(cfg)
    runner.check_input()
    (log,) = (tmp_path / 'wide').glob('*/*.log')
    assert '(pos_embed 4x4 -> 24)' in log.read_text()
    first = read_as_project(saved).state['backbone.pos_embed']
    table = runner.model.backbone.pos_embed
    assert table.shape == (1, 25, 32)
    square = first[:, 1:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(square, GRID, mode='bicubic')
    torch.testing.assert_close(table[:, 1:].mT, expected.flatten(2))


def test_pictures_in_memory_are_as_their_files(bands_encoder, bands):
    paths, values = values_of(bands)
    inputs = bands_encoder.load(paths)
    assert inputs.shape == (4, CHANNELS, *SIZE)
    assert torch.equal(bands_encoder.load(values), inputs)
    assert torch.equal(bands_encoder.load(np.stack(values)), inputs)
    moved = [np.moveaxis(v, 2, 0) for v in values]
    assert torch.equal(bands_encoder.load(moved), inputs)
    assert torch.equal(bands_encoder.load(values[1]), inputs[1:2])
    with pytest.raises(ValueError, match=r'3 channels .*takes 13: --channels'):
        bands_encoder.load(np.zeros((40, 50, 3), np.uint8))
    assert bands_encoder.attention(inputs).shape == (4, 24)
    explained = bands_encoder.explain(inputs, seed=1)
    assert explained.images.shape == inputs.shape
    assert explained.mask.sum(1).tolist() == [18.0] * 4


def test_features_of_a_folder(bands_run, bands_encoder, bands, tmp_path):
    work_dir = bands_run[1]
    (path,) = work_dir.glob('*.py')
    count = extract_features(
        Config.fromfile(path),
        str(work_dir / 'epoch_2.pth'),
        str(bands / 'val'),
        str(tmp_path / 'out.npz'),
        attention_dir=str(tmp_path / 'attention'),
        num_workers=0,
    )
    assert count == 10
    found = np.load(tmp_path / 'out.npz')
    files = [bands / 'val' / path for path in found['paths']]
    np.testing.assert_allclose(
        found['cls'],
        bands_encoder.features(files)['cls'],
        rtol=1e-5,
        atol=1e-6,
    )
    drawn = sorted((tmp_path / 'attention').rglob('*.png'))
    assert len(drawn) == 10
    # The picture, and beside it its attention.
    assert np.asarray(Image.open(drawn[0])).shape[:2] == (32, 96)
