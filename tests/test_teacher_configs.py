"""The recipes of methods with a teacher are what their names say."""

import pytest
import torch
from mmpretrain.registry import MODELS, TRANSFORMS
from schedules import check_another_length
from test_configs import DEPTHS, TEACHER_PATHS, WIDTHS, load

from ccmim_mm.datasets.data_root import leaf

TYPES = dict(maskdistill='MaskDistill', mimco='MimCo')
#: Epochs, warm-up, least rate, pictures a step, rate, second beta.
RECIPES = dict(
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
    *_, views, shape, pack = leaf(config, 'train').pipeline
    assert pack.num_patches == model.num_patches
    masks = TRANSFORMS.build(shape)
    assert masks.grid**2 == model.num_patches
    visible = model.mask_sampler.num_visible(model.num_patches)
    assert masks.num_masked == model.num_patches - visible
    assert views.type == 'RandomFlip'


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
        cosine.eta_min,
        8 * batch * wrapper.accumulative_counts,
        pytest.approx(wrapper.optimizer.lr),
        wrapper.optimizer.betas[1],
    )
