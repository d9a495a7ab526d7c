"""--channels N and --img-size HxW in all configs, and what they refuse."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MessageHub
from mmengine.registry import MODELS, DefaultScope
from other_configs import (
    CONFIGS,
    PATHS,
    batch_and_model,
    config_of,
    write_arrays,
)

from ccmim_mm.config import set_channels, set_hyperparameters
from ccmim_mm.config_parts import named
from ccmim_mm.datasets.data_root import leaf, parts
from ccmim_mm.models.data_preprocessors import OF_THE_PICTURES as OWN

pytestmark = pytest.mark.slow

CHANNELS = 4


@pytest.fixture(scope='module')
def arrays(tmp_path_factory):
    root = tmp_path_factory.mktemp('arrays') / 'data'
    return root, write_arrays(root, (70, 90, CHANNELS))


@pytest.mark.parametrize('name', PATHS)
def test_every_config_takes_a_step_on_other_pictures(name, arrays, tmp_path):
    """Four channels, a height of two thirds of the width."""
    root, _ = arrays
    patch = Config.fromfile(CONFIGS / f'{name}.py').model.backbone.get(
        'patch_size', 8
    )
    size = 8 * patch, 12 * patch
    cfg = config_of(name, root, tmp_path, channels=CHANNELS, img_size=size)
    batch, model = batch_and_model(cfg)
    views = batch['inputs']
    shapes = {tuple(v.shape[-3:]) for v in views}
    assert shapes == {(CHANNELS, *size)}
    MessageHub.get_current_instance().update_info('max_iters', 10)
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    first = next(
        p
        for n, p in model.named_parameters()
        if n.startswith('backbone.') and p.ndim == 4
    )
    assert first.shape[1] == CHANNELS
    assert torch.isfinite(loss)
    if first.requires_grad:
        assert first.grad.abs().sum() > 0


def load(name):
    return Config.fromfile(CONFIGS / f'{name}.py')


def transforms_of(cfg):
    pipelines = [part.dataset.pipeline for part in parts(cfg)]
    return [part for _, part in named(pipelines) if 'type' in part]


def test_all_parts_are_of_the_channels_and_nothing_of_colours_stays():
    cfg = load('mocov3_vit-b')
    before = {part.type for part in transforms_of(cfg)}
    assert {'WrappedHueColorJitter', 'LoadUprightImage'} <= before
    (line,) = set_hyperparameters(cfg, channels=13)
    for part in ('13 channels as they are stored', 'ColorJitter', 'Solarize'):
        assert part in line
    after = {part.type for part in transforms_of(cfg)}
    for gone in line.partition('colours: ')[2].split(', '):
        assert gone in before and gone not in after
    assert not [n for n in after if n.startswith('Load') and 'Ch' not in n]
    assert not {'RandomResizedCrop', 'ResizeEdge'} & after
    # What was applied at random to a colour transform alone is gone too.
    assert all(
        part.transforms
        for part in transforms_of(cfg)
        if part.type == 'RandomApply'
    )
    # Options of all kinds of preprocessors, as that of copying, are kept.
    assert cfg.data_preprocessor == dict(
        type='ChannelsPreprocessor', mean=OWN, std=OWN, non_blocking=True
    )


def test_three_channels_are_rgb_as_the_config_has_them():
    cfg, before = load('ccmim_vit-b'), load('ccmim_vit-b')
    assert 'RGB, as the config' in set_channels(cfg, 3)
    assert cfg.to_dict() == before.to_dict()


def test_numbers_of_so_many_channels_that_a_config_has_stay():
    cfg = load('ccmim_vit-b')
    cfg.data_preprocessor.update(mean=[1.0, 2.0], std=[3.0, 4.0])
    again = copy.deepcopy(cfg)
    set_channels(cfg, 2)
    assert cfg.data_preprocessor.mean == [1.0, 2.0]
    assert cfg.data_preprocessor.std == [3.0, 4.0]
    set_channels(again, 5)
    assert again.data_preprocessor.mean == OWN


@pytest.mark.parametrize(
    ('name', 'asked', 'message'),
    [
        ('ccmim_vit-b', dict(channels=0), '--channels is 0: give 1 or more'),
        ('ccmim_vit-b', dict(channels=True), '--channels is True: give 1'),
        (
            'detection/mask-rcnn_vit-b_own',
            dict(img_size=(512, 768)),
            r'--img-size 512x768: .* crop squares .*give one number',
        ),
        (
            'segmentation/upernet_vit-b_own',
            dict(img_size=(512, 768)),
            '--img-size 512x768: .* give one number',
        ),
        (
            'ccmim_vit-b',
            dict(img_size=(100, 200)),
            r'of 100x200: --img-size 96x192 or 112x208, or another --patch',
        ),
        ('ccmim_vit-b', dict(img_size=(0, 64)), '--img-size is 0: give 1 or'),
        (
            'ccmim_vit-b',
            dict(img_size=(16, 16)),
            'a grid of 1 x 1 patches: .*none visible; --img-size 32 or 48',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_names_what_can(name, asked, message):
    cfg = load(name)
    with pytest.raises(ValueError, match=message) as error:
        set_hyperparameters(cfg, **asked)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('channels', [1, 4])
def test_a_segmentor_takes_any_channels(channels):
    cfg = load('segmentation/upernet_vit-tiny_demo')
    set_hyperparameters(cfg, channels=channels)
    cfg.model.data_preprocessor.update(
        mean=[3.0] * channels, std=[2.0] * channels
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model).eval()
        loading, *rest = leaf(cfg, 'train').pipeline
        assert loading == dict(type='LoadChannels', channels=channels)
        values = np.random.default_rng(0).random((120, 130, channels))
        results = dict(
            img=values.astype(np.float32),
            img_shape=values.shape[:2],
            gt_seg_map=np.ones(values.shape[:2], np.uint8),
            seg_fields=['gt_seg_map'],
        )
        made = [t for t in rest if not t.type.startswith('Load')]
        np.random.seed(0)
        sample = Compose(made)(results)
    batch = dict(
        inputs=[sample['inputs']] * 2,
        data_samples=[sample['data_samples']] * 2,
    )
    assert sample['inputs'].shape[0] == channels
    normal = model.data_preprocessor(batch, True)
    expected = (sample['inputs'].float() - 3) / 2
    # Behind which it is padded to the crop.
    _, height, width = expected.shape
    found = normal['inputs'][0, :, :height, :width]
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        losses = model(**normal, mode='loss')
    assert torch.isfinite(losses['decode.loss_ce'])


def test_other_channels_again_change_what_is_loaded():
    cfg = load('ccmim_vit-tiny_demo')
    set_channels(cfg, 2)
    set_channels(cfg, 13)
    for dataset, *_ in parts(cfg):
        assert dataset.pipeline[0].channels == 13
    assert cfg.model.backbone.in_channels == 13
    with pytest.raises(ValueError, match='the config is for 13 channels'):
        set_channels(cfg, 3)


def test_a_detector_takes_any_number_of_channels():
    cfg = load('detection/mask-rcnn_vit-tiny_demo')
    set_channels(cfg, 4)
    mean, std = [1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 8.0, 16.0]
    cfg.model.data_preprocessor.update(mean=mean, std=std)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    assert model.backbone.patch_embed.projection.in_channels == 4
    picture = torch.rand(4, 96, 96)
    batch = dict(inputs=[picture], data_samples=None)
    (found,) = model.data_preprocessor(batch, False)['inputs']
    shift, scale = (torch.tensor(v)[:, None, None] for v in (mean, std))
    torch.testing.assert_close(found, (picture - shift) / scale)
    loading = leaf(cfg, 'train').pipeline[0]
    assert (loading.type, loading.channels) == ('LoadChannels', 4)


def test_a_preprocessor_of_no_known_kind_is_refused():
    cfg = load('ccmim_vit-tiny_demo')
    cfg.data_preprocessor.type = 'TwoNormDataPreprocessor'
    with pytest.raises(ValueError, match='--channels: TwoNormDataPre'):
        set_channels(cfg, 4)
