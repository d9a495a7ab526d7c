"""Pictures and patches of another size, in all parts of a config."""

import numpy as np
import pytest
import torch
from conftest import load
from mmengine.config import Config
from mmpretrain.registry import MODELS, TRANSFORMS
from sizes import check_another_size, packed

from ccmim_mm.config import set_hyperparameters
from ccmim_mm.datasets.data_root import leaf, parts

#: The others are among test_configs' and those of the other methods.
STUDIES = [
    *('imae_vit-tiny64', 'maskdistill_vit-tiny64', 'mimco_vit-tiny64'),
    *('mocov3_vit-tiny64', 'simclr_vit-tiny64', 'densecl_resnet18_64'),
]


@pytest.mark.parametrize('name', STUDIES)
def test_configs_of_the_study_take_another_size(name):
    check_another_size(load(f'study/{name}'))


@pytest.mark.parametrize(
    ('name', 'sizes', 'like'),
    [
        ('ccmim_vit-b', (64, 8), 'ccmim_vit-tiny_demo'),
        ('maskdistill_vit-b', (224, 14), 'maskdistill_vit-h'),
        ('mimco_vit-tiny_demo', (224, 16), 'mimco_vit-b'),
    ],
)
def test_the_sizes_are_those_of_the_configs_that_have_them(name, sizes, like):
    def of(cfg):
        # Not all have its page.
        cfg.custom_hooks = [
            hook for hook in cfg.custom_hooks if hook.type != 'LookHook'
        ]
        pipelines = [p.dataset.pipeline for p in parts(cfg)]
        shapes = [
            {k: t[k] for k in ('grid', 'min_block', 'num_patches') if k in t}
            for p in pipelines
            for t in p
        ]
        crops = [t.get('crop_size') for p in pipelines for t in p]
        model = cfg.model
        neck = model.get('neck') or {}
        decoder = neck.get('num_patches'), neck.get('patch_size')
        encoder = model.backbone.img_size, model.backbone.patch_size
        return shapes, crops, decoder, encoder, model.head.get('patch_size')

    cfg = load(name)
    set_hyperparameters(cfg, img_size=sizes[0], patch_size=sizes[1])
    assert of(cfg) == of(load(like))


def test_numbers_of_patches_keep_their_share():
    cfg = load('ccmim_fast_vit-b')
    (line,) = set_hyperparameters(cfg, img_size=112)
    assert cfg.model.align_patches == 12
    assert line == (
        '112 x 112 pixels in 49 patches of 16, where the config has '
        '224 x 224 pixels in 196 patches of 16'
    )
    # The shorter edge before the crop
    assert cfg.val_dataloader.dataset.dataset.pipeline[1].scale == 128
    # 9 units of 2 x 2, of which 6 are hidden: 24 of 36 patches
    cfg = load('mimco_vit-b')
    (line,) = set_hyperparameters(cfg, img_size=96)
    assert cfg.model.mask_sampler.mask_ratio == pytest.approx(23.5 / 36)
    assert line.endswith('mask_ratio is 0.652778, for masks of 24 patches')


@pytest.mark.parametrize(
    'name', ['ccmim_vit-b', 'mimco_vit-b', 'study/imae_vit-tiny64']
)
@pytest.mark.parametrize('sides', [(4, 6), (10, 4)])
def test_two_sides_reach_every_part(name, sides):
    cfg = load(name)
    patch = cfg.model.backbone.patch_size
    size = tuple(2 * patch * side for side in sides)
    grid = tuple(2 * side for side in sides)
    (line,) = set_hyperparameters(cfg, img_size=size)
    assert line.startswith(f'{size[0]} x {size[1]} pixels in {np.prod(grid)}')
    assert cfg.model.backbone.img_size == size
    for part in parts(cfg):
        sample = packed(part.dataset.pipeline)
        views = sample['inputs']
        for view in views if isinstance(views, list) else [views]:
            assert tuple(view.shape) == (3, *size)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert model.backbone.patch_resolution == grid
    if model.neck is not None:
        assert model.neck.grid == grid
    (noise,) = [t for t in leaf(cfg, 'train').pipeline if t.get('num_patches')]
    assert noise.num_patches == np.prod(grid)
    # mmpretrain's crop of the centre takes width before height.
    crop = leaf(cfg, 'val').pipeline[2]
    assert (crop.type, crop.crop_size) == ('CenterCrop', size[::-1])
    covered = leaf(cfg, 'val').pipeline[1].scale
    before = leaf(load(name), 'val').pipeline
    ratio = before[1].scale / before[2].crop_size
    assert covered == tuple(round(ratio * side) for side in size)


def test_random_crops_have_the_pictures_proportions_on_average():
    for size in ((64, 96), (96, 48)):
        cfg = load('ccmim_vit-b')
        set_hyperparameters(cfg, img_size=size, patch_size=8)
        (crop,) = [
            t for t in leaf(cfg, 'train').pipeline if 'ResizedCrop' in t.type
        ]
        assert tuple(crop.scale) == size
        crop = TRANSFORMS.build(crop)
        np.random.seed(0)
        picture = np.empty((4000, 4000, 3), np.uint8)
        found = [crop.rand_crop_params(picture)[2:] for _ in range(300)]
        aspects = np.log([width / height for height, width in found])
        assert np.exp(aspects.mean()) == pytest.approx(
            size[1] / size[0], rel=0.08
        )
        assert aspects.std() > 0.1


def test_a_square_by_two_sides_is_a_square():
    cfg, other = load('mimco_vit-b'), load('mimco_vit-b')
    lines = set_hyperparameters(cfg, img_size=(96, 96))
    assert set_hyperparameters(other, img_size=96) == lines
    assert cfg.to_dict() == other.to_dict()


def test_a_config_of_mmpretrain_with_its_defaults(tmp_path):
    """What it leaves to the classes moves too."""
    name = 'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py'
    (tmp_path / 'own.py').write_text(f"_base_ = '{name}'")
    cfg = Config.fromfile(tmp_path / 'own.py')
    assert 'num_patches' not in cfg.model.neck
    set_hyperparameters(cfg, img_size=96, patch_size=8)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert model.backbone.pos_embed.shape[1] == 145
    assert model.neck.decoder_pos_embed.shape[1] == 145
    assert model.head.patch_size == 8
