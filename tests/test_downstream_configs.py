"""Every downstream config: built, filled from an encoder, its arithmetic."""

import copy
import re

import numpy as np
import pytest
import torch
from conftest import ROOT, load
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, TRANSFORMS, DefaultScope
from mmpretrain.registry import MODELS as PRETRAIN_MODELS
from schedules import check_another_length

from ccmim_mm.checkpoints.match import INTO_BACKBONE, match
from ccmim_mm.config import set_hyperparameters
from ccmim_mm.datasets.data_root import kind_of, leaf

pytestmark = pytest.mark.slow

FOLDERS = dict(
    classification='class_folders', detection='coco', segmentation='label_maps'
)
PATHS = [
    str(path.relative_to(ROOT / 'configs').with_suffix(''))
    for folder in FOLDERS
    for path in sorted((ROOT / 'configs' / folder).glob('*.py'))
]
PRETRAINING = dict(
    s='ccmim_vit-s',
    b='ccmim_vit-b',
    l='ccmim_vit-l',
    tiny='ccmim_vit-tiny_demo',
)
DEPTHS = dict(s=12, b=12, l=24, tiny=4)
PIXELS = {
    *('img_size', 'patch_size', 'pad_size_divisor', 'strides', 'size'),
    *('featmap_strides', 'crop_size'),
}
#: Pictures a step, and the rate for them.
FULL_RECIPES = {
    'finetune_100e_in1k': (1024, 2e-3),
    'finetune_50e_in1k': (1024, 4e-3),
    'finetune_1pct_in1k': (1024, 2e-3),
    'finetune_10pct_in1k': (1024, 2e-3),
    'linear_90e_in1k': (16384, 6.4),
    '100e_coco': (64, 1e-4),
    '12e_coco': (64, 1e-4),
    '160k_ade20k': (16, 1e-4),
}


def size_of(name):
    return re.search(r'vit-(tiny|[sbl])', name)[1]


@pytest.fixture(scope='module', params=PATHS)
def case(request):
    """Name, config, and the model on the meta device."""
    cfg = load(request.param)
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope(cfg.default_scope),
    ):
        model = MODELS.build(cfg.model)
    return request.param, cfg, model


def test_the_scope_is_that_of_the_folder(case):
    name, cfg, _ = case
    assert kind_of(leaf(cfg, 'train')) == FOLDERS[name.partition('/')[0]]
    assert cfg.custom_imports.imports == ['ccmim_mm']


def test_no_thin_picture_is_resized_without_a_cap(case):
    name, cfg, _ = case
    types = [t.type for t in leaf(cfg, 'test').pipeline]
    assert 'ResizeEdge' not in types
    assert ('CappedResizeEdge' in types) == name.startswith('classification')


def test_a_checkpoint_of_its_size_fills_the_backbone(case):
    name, _, model = case
    size = size_of(name)
    with torch.device('meta'):
        encoder = PRETRAIN_MODELS.build(load(PRETRAINING[size]).model)
    _, report = match(
        model.backbone.state_dict(), encoder.state_dict(), INTO_BACKBONE
    )
    # Three tensors for the patches and positions, twelve a layer; CLS token
    # and final norm as the task has it.
    assert len(report.loaded) >= 3 + 12 * DEPTHS[size]
    assert not report.unexplained
    task = name.partition('/')[0]
    assert bool(report.new) == (task == 'detection' or 'finetune' in name)


def test_it_takes_another_length(case):
    check_another_length(case[1])


def test_it_takes_another_size(case):
    """384 pixels in patches of 8: every part is of this size."""
    cfg = copy.deepcopy(case[1])
    cfg.custom_hooks = []
    set_hyperparameters(cfg, img_size=384, patch_size=8)
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope(cfg.default_scope),
    ):
        backbone = MODELS.build(cfg.model.backbone)
    assert backbone.patch_resolution in ((48, 48), [48, 48])
    crops = {
        side
        for stage in ('train', 'test')
        for transform in leaf(cfg, stage).pipeline
        for side in np.ravel(transform.get('crop_size', 384))
    }
    assert crops == {384}


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_at_the_demos_size_the_recipe_is_the_demo(task):
    """Strides, padding, windows and all scales."""
    model = dict(detection='mask-rcnn', segmentation='upernet')[task]
    cfg, demo = (
        load(f'{task}/{model}_vit-{n}') for n in ('b_own', 'tiny_demo')
    )
    set_hyperparameters(cfg, img_size=96, patch_size=8)

    def sizes(part, name=''):
        """Whatever counts pixels."""
        if isinstance(part, dict):
            for key, value in part.items():
                yield from sizes(value, key)
        elif name in PIXELS:
            yield name, str([*np.ravel(part)])
        elif isinstance(part, list | tuple):
            for value in part:
                yield from sizes(value, name)

    for key in ('model', 'train_dataloader'):
        demos = {*sizes(demo[key])}
        assert demos and demos <= {*sizes(cfg[key])}, key
    assert min(leaf(cfg, 'test').pipeline[1].scale) == 96


def test_strides_that_would_be_no_pixels():
    with pytest.raises(ValueError, match=r'--patch-size 14: .*multiple of 4'):
        set_hyperparameters(
            load('detection/mask-rcnn_vit-b_own'), img_size=896, patch_size=14
        )


def test_the_learning_rate_is_for_the_batch(case):
    name, cfg, _ = case
    recipe = next((r for r in FULL_RECIPES if name.endswith(r)), None)
    base = cfg.auto_scale_lr.base_batch_size
    if recipe is None:
        assert base == cfg.train_dataloader.batch_size
        return
    batch, lr = FULL_RECIPES[recipe]
    assert 8 * cfg.train_dataloader.batch_size == base == batch
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(lr)


def test_the_schedule_ends_with_the_training(case):
    _, cfg, _ = case
    end = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    warmup, decay = cfg.param_scheduler
    assert decay.end == end
    assert decay.get('by_epoch', True) == ('max_epochs' in cfg.train_cfg)
    assert all(m < end for m in decay.get('milestones', []))
    if decay.type == 'CosineAnnealingLR':
        assert (warmup.end, decay.T_max) == (decay.begin, end - decay.begin)


def test_layers_learn_at_their_rates(case):
    name, cfg, model = case
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    if 'linear' in name:
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        assert trained == {'head.layers.head.weight', 'head.layers.head.bias'}
        return
    lr = cfg.optim_wrapper.optimizer.lr
    decay = cfg.optim_wrapper.paramwise_cfg.layer_decay_rate
    groups = {g['param_name']: g for g in optimizer.param_groups}
    depth = DEPTHS[size_of(name)]
    first = groups['backbone.layers.0.attn.qkv.weight']
    assert first['lr'] == pytest.approx(lr * decay**depth)
    assert groups['backbone.pos_embed']['weight_decay'] == 0
    heads = {g['lr'] for n, g in groups.items() if 'backbone.' not in n}
    assert heads == {lr}


def test_data_sets_and_transforms_exist(case):
    _, cfg, _ = case
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for split in ('train', 'val', 'test'):
            dataset = leaf(cfg, split)
            with DATASETS.switch_scope_and_registry(None) as registry:
                assert registry.get(dataset.type) is not None
            for transform in dataset.pipeline:
                assert TRANSFORMS.build(transform) is not None


def test_cascade_is_a_short_diff_with_three_stages():
    path = ROOT / 'configs/detection/cascade-mask-rcnn_vit-b_100e_coco.py'
    assert len(path.read_text().splitlines()) <= 6
    cfg = load('detection/cascade-mask-rcnn_vit-b_100e_coco')
    overlaps = [r.assigner.pos_iou_thr for r in cfg.model.train_cfg.rcnn]
    assert overlaps == [0.5, 0.6, 0.7]
    assert len(cfg.model.roi_head.bbox_head) == 3
