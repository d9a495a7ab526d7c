"""Options that move everything with them, over all configs and in runs."""

import argparse
import copy

import numpy as np
import pytest
import torch
from conftest import ROOT, load
from contrastive_models import OPTIONS
from contrastive_models import PATHS as CONTRASTIVE
from run_helpers import bare, config

from ccmim_mm.apis import config_for_testing, config_for_training, load_encoder
from ccmim_mm.config import set_hyperparameters
from ccmim_mm.engine import ResilientRunner
from ccmim_tools.settings import add_settings, check_settings

#: A config, what else makes it small, and its sizes.
STEPS = dict(
    mocov3=(
        CONTRASTIVE['mocov3'],
        {k: v for k, v in OPTIONS['mocov3'].items() if 'img_size' not in k},
        dict(img_size=24, patch_size=4),
    ),
    densecl=(
        CONTRASTIVE['densecl'], OPTIONS['densecl'], dict(img_size=32)
    ),
    # The pixels of a patch
    maskdistill=(
        'tests/tiny_teacher_config.py',
        {'model.teacher.kind': 'pixel', 'model.head.out_channels': 48},
        dict(img_size=24, patch_size=4),
    ),
)  # fmt: skip


def test_batch_rate_seed_and_workers():
    cfg = load('ccmim_vit-b')
    cfg.train_dataloader.prefetch_factor = 4
    before = copy.deepcopy(cfg)
    lines = set_hyperparameters(
        cfg, batch_size=8, lr=1e-3, seed=5, workers=0, processes=2
    )
    assert lines == [
        '8 pictures x 2 processes x 4 accumulated = 64 a step, where the '
        'config has 1024; the learning rate stays 0.001 unless '
        '--auto-scale-lr scales it'
    ]
    assert cfg.train_dataloader.batch_size == 8
    assert cfg.optim_wrapper.optimizer.lr == 1e-3
    assert cfg.randomness.seed == 5
    loaders = [
        *(cfg[f'{stage}_dataloader'] for stage in ('train', 'val', 'test')),
        *(cfg[f'{stage}_cfg'].bank_dataloader for stage in ('val', 'test')),
    ]
    for loader in loaders:
        assert loader.num_workers == 0
        assert not loader.persistent_workers
        assert 'prefetch_factor' not in loader
    # What is judged, and how it is drawn, stays.
    was, now = before.val_dataloader, cfg.val_dataloader
    assert (was.batch_size, was.sampler) == (now.batch_size, now.sampler)
    assert cfg.auto_scale_lr == before.auto_scale_lr
    assert cfg.param_scheduler == before.param_scheduler
    again = load('ccmim_vit-b')
    set_hyperparameters(again, workers=3)
    assert again.val_cfg.bank_dataloader.num_workers == 3
    assert again.train_dataloader.persistent_workers


@pytest.mark.parametrize(
    ('name', 'asked', 'message'),
    [
        ('ccmim_vit-b', dict(img_size=100), '--img-size 96 or 112, or'),
        ('ccmim_vit-b', dict(patch_size=15), 'pictures of 224: --img-size 2'),
        ('ccmim_vit-b', dict(img_size=4, patch_size=8), '--img-size 8, or'),
        ('ccmim_vit-b', dict(img_size=0), '--img-size is 0: give 1 or more'),
        (
            'ccmim_vit-b',
            dict(img_size=16),
            'none visible; --img-size 32 or 48 would',
        ),
        ('mimco_vit-b', dict(img_size=112), '--img-size 96 or 128 would do'),
        ('densecl_resnet50', dict(patch_size=8), 'no patches: leave it out'),
        ('ccmim_vit-b', dict(batch_size=0), '--batch-size is 0: give 1 or'),
        ('ccmim_vit-b', dict(lr=0), '--lr is 0: give a number above 0'),
        ('ccmim_vit-b', dict(lr=float('nan')), '--lr is nan: give a number'),
        ('ccmim_vit-b', dict(seed=-1), '--seed is -1: give 0 to 4294967295'),
        ('ccmim_vit-b', dict(workers=-1), '--workers is -1: give 0 or more'),
    ],
)
def test_what_cannot_be_names_what_can(name, asked, message):
    with pytest.raises(ValueError, match=message) as error:
        set_hyperparameters(load(name), **asked)
    assert '\n' not in str(error.value)


def test_configs_that_do_not_tell():
    cfg = load('ccmim_vit-b')
    cfg.model.backbone.img_size = 192
    with pytest.raises(ValueError, match=r'192, and .* cropped to 224: set'):
        set_hyperparameters(cfg, img_size=96)
    cfg.optim_wrapper.optimizer.pop('lr')
    with pytest.raises(ValueError, match=r'no optim_wrapper\.optimizer\.lr'):
        set_hyperparameters(cfg, lr=1e-3)
    cfg.train_dataloader.pop('batch_size')
    with pytest.raises(ValueError, match=r'no train_dataloader\.batch_size'):
        set_hyperparameters(cfg, batch_size=3)


def test_an_override_says_what_it_says_and_nothing_twice():
    path = ROOT / 'configs/ccmim_vit-tiny_demo.py'
    crop = 'val_dataloader.dataset.dataset.pipeline.1.scale'
    cfg = config_for_training(path, {crop: 128}, img_size=96)
    assert cfg.val_dataloader.dataset.dataset.pipeline[1].scale == 128
    assert cfg.test_dataloader.dataset.dataset.pipeline[1].scale == 96
    for asked, options in (
        (dict(img_size=96), {'model.backbone.img_size': 96}),
        (dict(batch_size=4), {'train_dataloader': dict(batch_size=4)}),
        (dict(lr=1.0), {'optim_wrapper.optimizer': dict(lr=2.0)}),
        (dict(seed=1), {'randomness.seed': 1}),
    ):
        option = f'--{next(iter(asked)).replace("_", "-")}'
        with pytest.raises(ValueError, match=f'{option} says it already'):
            config_for_training(path, options, **asked)


@pytest.mark.parametrize('name', STEPS)
def test_a_few_steps(name, picture_folder, tmp_path):
    path, options, sizes = STEPS[name]
    asked = dict(sizes, epochs=1, batch_size=8, workers=0, lr=1e-3, seed=1)
    cfg = config_for_training(
        ROOT / path, options, picture_folder, tmp_path, **asked
    )
    cfg.experiment_name = f'settings{tmp_path}'
    runner = ResilientRunner.from_cfg(bare(cfg))
    runner.train()
    assert runner.iter == 3
    assert torch.isfinite(
        torch.tensor(runner.message_hub.get_scalar('train/loss').data[0])
    ).all()


def test_a_run_is_judged_as_it_was_told(picture_folder, tmp_path):
    work_dir = tmp_path / 'run'
    cfg = config(picture_folder, work_dir, 1, img_size=48)
    left_out = ('PanelHook', 'RunSummaryHook')
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type not in left_out]
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    points = runner.message_hub.runtime_info['frozen_features']
    saved = str(work_dir / 'epoch_1.pth')

    def judged(config, name):
        cfg = config_for_testing(config, saved, work_dir=tmp_path / name)
        cfg.data_root = str(picture_folder)
        cfg.experiment_name = f'judged{tmp_path}{name}'
        tester = ResilientRunner.from_cfg(cfg)
        assert not tester._resume
        figures = tester.test()
        (log,) = (tmp_path / name).glob('*/*.log')
        return figures, log.read_text()

    figures, log = judged(work_dir, 'own')
    for key, value in points[-1].items():
        if key != 'iter':
            assert figures[key] == value
    said = 'is the config of its run, with its options'
    assert said not in log
    # Another size can be judged at, and is said.
    _, log = judged(ROOT / 'tests/tiny_config.py', 'other')
    assert f'6 x 6 patches, judged on 4 x 4; {work_dir}/tiny_conf' in log
    encoder = load_encoder(work_dir, saved, device='cpu')
    picture = np.zeros((60, 60, 3), np.uint8)
    assert encoder.attention(encoder.load(picture)).shape == (1, 36)
    (work_dir / 'second.py').touch()
    with pytest.raises(ValueError, match='holds several configs'):
        config_for_testing(work_dir, saved)


def test_the_command_line_reads_two_sides(capsys):
    options = argparse.ArgumentParser()
    add_settings(options)
    for text, expected in (('64', 64), ('64x96', (64, 96))):
        args = options.parse_args(['--img-size', text, '--channels', '13'])
        assert (args.img_size, args.channels) == (expected, 13)
    for text in ('64x', 'x96', '64x96x3', 'wide'):
        with pytest.raises(SystemExit):
            options.parse_args(['--img-size', text])
        assert 'argument --img-size: invalid size' in capsys.readouterr().err
    args = options.parse_args(['--img-size', '64x0'])
    args.epochs = args.iters = None
    with pytest.raises(SystemExit, match='--img-size is 0: give 1 or more'):
        check_settings(args)
