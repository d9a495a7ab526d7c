import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from PIL import Image

import ccmim_mm  # noqa: F401 - registers the modules

ROOT = Path(__file__).parent.parent

# 32 px / 8 px = 16 patches
TINY = dict(
    type='CCMIM',
    backbone=dict(
        type='CCMIMViT',
        arch=dict(
            embed_dims=32,
            num_layers=3,
            num_heads=4,
            feedforward_channels=64,
        ),
        img_size=32,
        patch_size=8,
    ),
    mask_sampler=dict(type='AdditiveNoiseMaskSampler', mask_ratio=0.75),
    neck=dict(
        type='MAEPretrainDecoder',
        num_patches=16,
        patch_size=8,
        embed_dim=32,
        decoder_embed_dim=16,
        decoder_depth=2,
        decoder_num_heads=2,
    ),
    head=dict(
        type='MAEPretrainHead',
        patch_size=8,
        norm_pix=True,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
    ),
    align_head=dict(
        type='CCMIMAlignHead',
        projector=dict(
            type='NonLinearNeck',
            in_channels=32,
            hid_channels=32,
            out_channels=8,
            with_avg_pool=False,
            with_last_bn_affine=False,
            norm_cfg=dict(type='BN1d'),
        ),
    ),
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
)


@pytest.fixture
def tiny_cfg() -> dict:
    return copy.deepcopy(TINY)


def build(cfg: dict, seed: int = 0):
    """A model with weights far enough from zero for attention to differ."""
    torch.manual_seed(seed)
    model = MODELS.build(cfg)
    model.init_weights()
    for name, parameter in model.named_parameters():
        if name.endswith('qkv.weight'):
            parameter.data *= 4
    return model


def samples(noise: torch.Tensor) -> list[DataSample]:
    """Data samples that carry mask noise, ``(B, L)``."""
    found = [DataSample() for _ in noise]
    for sample, row in zip(found, noise.numpy(), strict=True):
        sample.set_field(row, 'mask_noise')
    return found


@pytest.fixture(scope='session')
def picture_folder(tmp_path_factory) -> Path:
    """train/ and val/ with two classes: reddish and bluish noise."""
    root = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 5)):
        for channel, name in ((0, 'red'), (2, 'blue')):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 120, (40, 48, 3), np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(folder / f'{i}.png')
    return root


def tiny_options(tiny: dict) -> dict:
    """Overrides that make the demo config tiny."""
    return {
        'model.backbone.arch': dict(tiny['backbone']['arch'], _delete_=True),
        'model.backbone.img_size': 32,
        'model.neck': tiny['neck'],
        'model.align_head.projector': tiny['align_head']['projector'],
        'train_pipeline.1.scale': 32,
        'train_dataloader.batch_size': 8,
        'train_dataloader.num_workers': 0,
        'train_dataloader.dataset.pipeline.1.scale': 32,
        'train_dataloader.dataset.pipeline.3.num_patches': 16,
        'val_dataloader.dataset.pipeline.1.scale': 32,
        'val_dataloader.dataset.pipeline.2.crop_size': 32,
        'val_cfg.bank_dataloader.dataset.pipeline.1.scale': 32,
        'val_cfg.bank_dataloader.dataset.pipeline.2.crop_size': 32,
        'test_dataloader.dataset.pipeline.1.scale': 32,
        'test_dataloader.dataset.pipeline.2.crop_size': 32,
        'test_cfg.bank_dataloader.dataset.pipeline.1.scale': 32,
        'test_cfg.bank_dataloader.dataset.pipeline.2.crop_size': 32,
        'default_hooks.logger.interval': 1,
        'default_hooks.checkpoint.interval': 1,
        'optim_wrapper.optimizer.lr': 1e-3,
    }
