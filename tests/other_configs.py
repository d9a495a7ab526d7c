"""Every config that trains on pictures, small enough to take a step."""

import numpy as np
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from teacher_cases import save_mae

from ccmim_mm.apis import config_for_training
from ccmim_mm.datasets.data_root import apply_data_root
from ccmim_mm.engine.runner.pixel_statistics import fill_in_pixel_statistics
from ccmim_mm.engine.runner.prepare import prepare

CONFIGS = ROOT / 'configs'
#: Of pre-training and classification, no grids of a study.
PATHS = [
    str(path.relative_to(CONFIGS).with_suffix(''))
    for path in sorted(CONFIGS.rglob('*.py'))
    if not {'_base_', 'detection', 'segmentation'} & set(path.parts)
    and not path.stem.startswith('grid_')
]
WIDTH = 32
ARCH = dict(
    _delete_=True,
    embed_dims=WIDTH,
    num_layers=3,
    num_heads=4,
    feedforward_channels=64,
)


def write_arrays(root, shape, dtype=np.uint16, per_class=4, suffix='npy'):
    """train/ and val/ with two classes of arrays; all of train's pictures."""
    rng = np.random.default_rng(0)
    pictures, names = [], []
    for split in ('train', 'val'):
        for label in 'ab':
            folder = root / split / label
            folder.mkdir(parents=True)
            for i in range(per_class):
                values = rng.normal(500, 100, shape).astype(dtype)
                np.save(folder / f'{i}.npy', values)
                if split == 'train':
                    pictures.append(values)
                    names.append(f'{label}/{i}.npy')
    (root / 'meta').mkdir()
    for share in (1, 10):
        path = root / 'meta' / f'{share}percent.txt'
        path.write_text('\n'.join(names))
    return pictures


def small(cfg):
    """Overrides that make its model small, whatever its method."""
    model, found = cfg.model, {}
    kind = model.backbone.type
    if kind == 'ResNet':
        return {
            'model.queue_len': 8,
            'model.backbone.depth': 18,
            'model.backbone.stem_channels': 8,
            'model.backbone.base_channels': 8,
            'model.neck.in_channels': 64,
            'model.neck.hid_channels': 16,
            'model.neck.out_channels': 8,
            'model.feat_dim': 8,
        }
    found['model.backbone.arch'] = ARCH
    if model.backbone.get('frozen_stages'):
        found['model.backbone.frozen_stages'] = ARCH['num_layers']
    if isinstance(model.backbone.get('score_layers'), int):
        found['model.backbone.score_layers'] = 1
    found |= _small_neck(model.get('neck') or {})
    found |= _small_head(model.get('head') or {})
    if model.get('align_head') is not None:
        found |= {
            'model.align_head.projector.in_channels': WIDTH,
            'model.align_head.projector.hid_channels': WIDTH,
            'model.align_head.projector.out_channels': 8,
        }
    return found


def _small_neck(neck):
    if neck.get('type') == 'MaskedPretrainDecoder':
        return {
            'model.neck.embed_dim': WIDTH,
            'model.neck.decoder_embed_dim': 16,
            'model.neck.decoder_depth': 2,
            'model.neck.decoder_num_heads': 2,
        }
    if 'input_features' in neck:
        return {'model.neck.input_features': WIDTH}
    if 'hid_channels' in neck:
        return {
            'model.neck.in_channels': WIDTH,
            'model.neck.hid_channels': 24,
            'model.neck.out_channels': 16,
        }
    return {}


def _small_head(head):
    found = {}
    if 'predictor' in head:
        found = {
            'model.head.predictor.in_channels': 16,
            'model.head.predictor.hid_channels': 24,
            'model.head.predictor.out_channels': 16,
        }
    elif 'in_channels' in head and head.type != 'MaskedPretrainHead':
        found['model.head.in_channels'] = WIDTH
    if 'out_channels' in head:
        found['model.head.out_channels'] = 16
    return found


def config_of(name, root, work_dir, **settings):
    """The config of a run on the folder, its model small."""
    read = Config.fromfile(CONFIGS / f'{name}.py')
    options = small(read)
    patch = settings.get('patch_size') or read.model.backbone.get('patch_size')
    teacher = read.model.get('teacher')
    if teacher is not None and teacher.type == 'MAETeacher':
        height, width = settings['img_size']
        options['model.teacher.heads'] = 4
        options['model.teacher.checkpoint'], _ = save_mae(
            root.parent,
            p=patch,
            patches=height * width // patch**2,
            channels=settings['channels'],
        )
    elif teacher is not None:
        options['model.teacher.random'] = dict(
            embed_dims=16,
            num_layers=2,
            num_heads=2,
            feedforward_channels=32,
            patch_size=patch,
        )
    settings = dict(settings, batch_size=4, workers=0)
    return config_for_training(
        CONFIGS / f'{name}.py', options, root, work_dir, **settings
    )


def batch_and_model(cfg):
    """A batch of the config's own pipeline, and its model for it."""
    if (cfg.model.get('head') or {}).get('num_classes') == 1000:
        # ImageNet's classes, of which the folder has two.
        apply_data_root(cfg)
        fill_in_pixel_statistics(cfg)
    else:
        prepare(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, 0)))
        model = dict(cfg.model)
        if cfg.get('data_preprocessor'):
            model['data_preprocessor'] = cfg.data_preprocessor
        torch.manual_seed(0)
        model = MODELS.build(model)
        if hasattr(model, 'before_training'):
            model.before_training()
    return batch, model.train()
