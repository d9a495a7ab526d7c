"""The recipes of methods with a teacher are what their names say."""

import math

import pytest
import torch
from conftest import load
from mmpretrain.registry import MODELS, TRANSFORMS
from schedules import check_another_length
from sizes import check_another_size
from test_configs import DEPTHS, TEACHER_PATHS, WIDTHS

from ccmim_mm.datasets.data_root import leaf

TYPES = dict(imae='IMAE', maskdistill='MaskDistill', mimco='MimCo')
#: Epochs, warm-up, least rate, pictures a step, rate, second beta.
RECIPES = dict(
    imae=(50, 5, 0.0, 256, 1e-4, 0.95),
    maskdistill=(300, 10, 1e-5, 2048, 1.5e-3, 0.999),
    mimco=(100, 10, 0.0, 1024, 6e-4, 0.95),
)


@pytest.fixture(scope='module', params=TEACHER_PATHS)
def cfg(request):
    return request.param, load(request.param)


def test_the_model_builds_and_its_masks_fit(cfg):
    name, config = cfg
    method, _, size = name.removesuffix('_demo').partition('_vit-')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert type(model).__name__ == TYPES[method]
    assert model.backbone.embed_dims == WIDTHS[size]
    assert model.backbone.num_layers == DEPTHS[size]
    # No teacher is named, so none is forgotten in a recipe.
    assert model.teacher.checkpoint is None
    data = leaf(config, 'train')
    *_, views, shape, pack = data.pipeline
    assert pack.num_patches == model.num_patches
    if method == 'imae':
        # Single patches, of pairs that need no labels.
        assert (data.type, shape.type) == ('PicturePairs', 'RandomFlip')
        assert data.get('same_class_prob') is None
        assert model.mask_sampler.mask_ratio == 0.75
        assert model.from_teacher and not model.per_picture
        assert not model.head.norm_pix
        return
    masks = TRANSFORMS.build(shape)
    assert math.prod(masks.grid) == model.num_patches
    visible = model.mask_sampler.num_visible(model.num_patches)
    assert masks.num_masked == model.num_patches - visible
    assert views.type == 'RandomFlip'


def test_it_takes_another_size(cfg):
    check_another_size(cfg[1])


def test_the_schedule_is_as_documented_and_ends_with_the_training(cfg):
    name, config = cfg
    epochs = config.train_cfg.max_epochs
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.end) == (cosine.begin, epochs)
    assert cosine.T_max == epochs - cosine.begin
    check_another_length(config)
    if 'demo' in name:
        return
    wrapper, batch = config.optim_wrapper, config.train_dataloader.batch_size
    assert config.auto_scale_lr.base_batch_size == 8 * batch
    assert RECIPES[name.partition('_')[0]] == (
        epochs,
        warmup.end,
        cosine.get('eta_min', 0.0),
        8 * batch * wrapper.accumulative_counts,
        pytest.approx(wrapper.optimizer.lr),
        wrapper.optimizer.betas[1],
    )
