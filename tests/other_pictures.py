"""Tiny models for pictures of other channels and two sides."""

import copy

import torch
from conftest import TINY
from contrastive_models import AVERAGES, PATHS, running
from teacher_cases import IMAE, MIMCO, method, save_mae
from teacher_cases import TINY as DISTILL

#: Height and width of the pictures, and their patches of 8 pixels.
SIZE, GRID = (32, 48), (4, 6)
METHODS = ('distill', 'mimco', 'imae', *PATHS)
_RANDOM = dict(
    embed_dims=16,
    num_layers=2,
    num_heads=2,
    feedforward_channels=32,
    patch_size=8,
)


def pixels(channels):
    """A preprocessor of so many channels, each of its own scale."""
    return dict(
        type='ChannelsPreprocessor',
        mean=[10.0 * (i + 1) for i in range(channels)],
        std=[2.0 + i for i in range(channels)],
    )


def ccmim(channels):
    """The tiny ccMIM's config for such pictures."""
    cfg = copy.deepcopy(TINY)
    cfg['backbone'].update(img_size=SIZE, in_channels=channels)
    cfg['neck'].update(num_patches=GRID, in_chans=channels)
    cfg['head'].update(in_channels=channels)
    return cfg | dict(data_preprocessor=pixels(channels))


def model_of(name, channels, folder):
    """A tiny model in training mode, with its teacher if it has one."""
    own = ccmim(channels)
    own['backbone'].pop('type')
    if name in PATHS:
        sizes = {
            'backbone.in_channels': channels,
            'data_preprocessor': pixels(channels),
        }
        if name != 'densecl':
            sizes['backbone.img_size'] = SIZE
        return running(name, **sizes)
    changes = dict(
        distill={},
        mimco=MIMCO,
        imae=IMAE | dict(from_teacher=False, neck=own['neck']),
    )[name]
    backbone = dict(DISTILL['backbone'], **own['backbone'])
    changes = changes | dict(
        backbone=backbone,
        data_preprocessor=pixels(channels),
        teacher=dict(type='FrozenTeacher', random=_RANDOM),
    )
    if name == 'distill':
        changes['head'] = dict(DISTILL['head'], out_channels=16)
    path = None
    if name == 'mimco':
        changes['head'] = dict(MIMCO['head'], out_channels=16)
    if name == 'imae':
        changes['head'] = dict(own['head'], norm_pix=False)
        changes['teacher'] = IMAE['teacher']
        sizes = dict(channels=channels, patches=GRID[0] * GRID[1])
        path, _ = save_mae(folder, **sizes)
    return method(path, **changes)


def views_of(name, count, channels):
    """What the model's pipeline gives it, in the units of files."""
    generator = torch.Generator().manual_seed(5)
    views = [
        10 * torch.randn(count, channels, *SIZE, generator=generator) + 20
        for _ in range(2)
    ]
    two = name in (*PATHS, 'imae')
    return views if two else views[0]


def average_of(model, name):
    """The key encoder, which no gradient reaches; None has none."""
    return getattr(model, AVERAGES[name]) if name in AVERAGES else None
