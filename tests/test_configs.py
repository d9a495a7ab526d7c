import re

import pytest
import torch
from conftest import ROOT, load
from mmengine.registry import MODEL_WRAPPERS
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import DATASETS, MODELS, OPTIM_WRAPPERS, TRANSFORMS
from schedules import check_another_length
from sizes import check_another_size

from ccmim_mm.datasets.data_root import leaf, leaves

CONFIGS = ROOT / 'configs'
DOWNSTREAM = {'classification', 'detection', 'segmentation'}
PATHS = [
    str(path.relative_to(CONFIGS).with_suffix(''))
    for path in sorted(CONFIGS.rglob('*.py'))
    if not {'_base_', *DOWNSTREAM} & set(path.parts)
    # Of ccMIM and its ablation, and no grid: test_study.py builds those
    and path.stem.startswith(('ccmim_', 'mae_'))
]
#: Of methods that learn from a frozen teacher.
TEACHER_PATHS = [
    path.stem
    for path in sorted(CONFIGS.glob('*.py'))
    if path.stem.startswith(('imae_', 'maskdistill_', 'mimco_'))
]
WIDTHS = dict(s=384, b=768, l=1024, h=1280, g=1408, tiny=128)
DEPTHS = dict(s=12, b=12, l=24, h=32, g=40, tiny=4)


@pytest.fixture(scope='module', params=PATHS)
def cfg(request):
    return request.param, load(request.param)


def test_the_model_builds_and_is_what_the_name_says(cfg):
    name, config = cfg
    # On the meta device: ViT-H in no memory and no time.
    with torch.device('meta'):
        model = MODELS.build(config.model)
    pattern = (
        r'(?:.*/)?(ccmim|mae)(_fast|_small-data|_blocks|_masks)?'
        r'_vit-(tiny|[sblhg])'
    )
    method, variant, size = re.match(pattern, name).groups()
    assert model.backbone.embed_dims == WIDTHS[size]
    assert model.backbone.num_layers == DEPTHS[size]
    assert (model.align_head is None) == (method == 'mae')
    scored = method == 'ccmim' and variant != '_blocks'
    assert model.mask_sampler.needs_scores == scored
    assert model.masked_grad == (variant == '_small-data')
    assert model.mask_sampler.mask_ratio == 0.75
    if size != 'tiny':
        assert len(model.neck.decoder_blocks) == 8
        assert model.neck.decoder_pred.in_features == 512


def test_pipelines_fit_the_model(cfg):
    config = cfg[1]
    backbone = config.model.backbone
    train = leaf(config, 'train').pipeline
    patches = (backbone.img_size // backbone.patch_size) ** 2
    assert train[-1].num_patches == patches == config.model.neck.num_patches
    (crop,) = (t for t in train if t.type == 'RandomResizedCrop')
    assert crop.scale == backbone.img_size
    panel = next(h for h in config.custom_hooks if h.type == 'PanelHook')
    evals = [
        leaf(config, 'val'),
        leaf(config, 'test'),
        *leaves(config.val_cfg.bank_dataloader.dataset),
        *leaves(config.test_cfg.bank_dataloader.dataset),
        panel.dataset,
    ]
    for dataset in evals:
        assert dataset.pipeline[1].type == 'CappedResizeEdge'
        assert dataset.pipeline[2].crop_size == backbone.img_size
        assert dataset.type in DATASETS
        for transform in dataset.pipeline:
            assert TRANSFORMS.build(transform) is not None


def test_the_schedule_ends_with_the_training(cfg):
    name, config = cfg
    epochs = config.train_cfg.max_epochs
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.end) == (cosine.begin, epochs)
    assert cosine.T_max == epochs - cosine.begin
    if 'tiny' not in name:
        lengths = {'100e': (100, 10), '300e': (300, 40)}
        expected = lengths.get(name.rpartition('_')[2], (800, 40))
        assert (epochs, warmup.end) == expected


def test_it_takes_another_length(cfg):
    check_another_length(cfg[1])


def test_it_takes_another_size(cfg):
    check_another_size(cfg[1])


def test_the_learning_rate_arithmetic(cfg):
    """8 GPUs: lr 2.4e-3 for 4,096 pictures a step, 1,024 at a time."""
    name, config = cfg
    if 'tiny' in name:
        return
    one_gpu = 'study/' in name or 'small-data' in name
    gpus, pictures = (1, 256) if one_gpu else (8, 4096)
    batch = config.train_dataloader.batch_size
    accumulation = config.optim_wrapper.accumulative_counts
    assert gpus * batch * accumulation == pictures
    assert config.auto_scale_lr.base_batch_size == gpus * batch
    assert config.optim_wrapper.optimizer.lr == pytest.approx(
        1.5e-4 * pictures / 256
    )


def test_weight_decay_spares_biases_and_one_dimensional_parameters():
    from mmengine.optim import build_optim_wrapper

    config = load('ccmim_vit-tiny_demo')
    model = MODELS.build(config.model)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    assert type(wrapper) is OPTIM_WRAPPERS.get('FiniteOptimWrapper')
    decay = {
        id(p): group['weight_decay']
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }
    for name, p in model.named_parameters():
        if p.requires_grad:
            expected = 0.05 if p.ndim > 1 else 0.0
            assert decay[id(p)] == expected, name


def test_overrides_switch_the_sampler_and_the_contrast():
    config = load('ccmim_vit-tiny_demo')
    config.merge_from_dict(
        {
            'model.mask_sampler.type': 'RandomMaskSampler',
            'model.align_head': None,
        }
    )
    model = MODELS.build(config.model)
    mae = MODELS.build(load('mae_vit-tiny_demo').model)
    assert repr(model.mask_sampler) == repr(mae.mask_sampler)
    assert model.state_dict().keys() == mae.state_dict().keys()


def test_importing_needs_neither_mmdet_nor_mmseg():
    import subprocess
    import sys

    # None in sys.modules makes the import fail, as if not installed.
    code = (
        'import sys;'
        "sys.modules |= dict.fromkeys(['mmdet', 'mmseg', 'mmcv._ext']);"
        'import ccmim_mm'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_a_plain_vit_takes_the_encoders_config():
    config = load('ccmim_vit-s')
    with torch.device('meta'):
        plain = VisionTransformer(arch=config.model.backbone.arch)
    assert sum(p.numel() for p in plain.parameters()) == 21_665_664


def test_vit_g_is_a_billion_parameters_in_layers_to_shard():
    config = load('ccmim_vit-g')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    width, hidden, patches = 1408, 6144, 256
    attention = 4 * width**2 + 4 * width
    ffn = 2 * width * hidden + hidden + width
    layer = attention + ffn + 2 * 2 * width
    # Patches with their bias, CLS token, positions, the norm at the end.
    rest = (3 * 14**2 + 1 + 1 + patches + 1 + 2) * width
    count = sum(p.numel() for p in model.backbone.parameters())
    assert count == 40 * layer + rest == 1_011_202_432
    sharding = MODEL_WRAPPERS.build(config.model_wrapper_cfg)
    sharding.check(model, config)
