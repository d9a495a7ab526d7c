"""The recipes of methods with a teacher are what their names say."""

import pytest
import torch
from mmpretrain.registry import MODELS, TRANSFORMS
from schedules import check_another_length
from test_configs import DEPTHS, TEACHER_PATHS, WIDTHS, load

from ccmim_mm.datasets.data_root import leaf

TYPES = dict(maskdistill='MaskDistill')


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
    *_, views, shape, pack = leaf(config, 'train').pipeline
    assert pack.num_patches == model.num_patches
    masks = TRANSFORMS.build(shape)
    assert masks.grid**2 == model.num_patches
    visible = model.mask_sampler.num_visible(model.num_patches)
    assert masks.num_masked == model.num_patches - visible
    assert views.type == 'RandomFlip'


def test_the_schedule_is_the_published_one_and_ends_with_the_training(cfg):
    name, config = cfg
    epochs = config.train_cfg.max_epochs
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.end) == (cosine.begin, epochs)
    assert cosine.T_max == epochs - cosine.begin
    check_another_length(config)
    if 'demo' in name:
        return
    assert (epochs, warmup.end, cosine.eta_min) == (300, 10, 1e-5)
    batch = config.train_dataloader.batch_size
    assert config.auto_scale_lr.base_batch_size == 8 * batch
    assert 8 * batch * config.optim_wrapper.accumulative_counts == 2048
    assert config.optim_wrapper.optimizer.lr == 1.5e-3
