"""Pointing a downstream config at a data set, its classes and a checkpoint."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import DATASETS, MODELS, DefaultScope

from .._stack import check_scope
from ..datasets.checks import (
    check_class_folders,
    check_coco,
    check_label_maps,
    read_coco,
)
from ..datasets.layouts import class_folders, find_coco, find_label_maps
from ..engine.backbone_loading import match_backbone
from ..engine.checkpoint import read_state_dict
from ..engine.converters import convert, detect_format

Task = Literal['pretrain', 'classify', 'detect', 'segment']
SPLITS = ('train', 'val', 'test')


def find_task(cfg: Config) -> Task:
    """What a config trains, by its scope and its model."""
    scope = cfg.get('default_scope')
    if scope == 'mmdet':
        return 'detect'
    if scope == 'mmseg':
        return 'segment'
    return 'classify' if cfg.model.type == 'ImageClassifier' else 'pretrain'


def apply_transfer_data(cfg: Config, root: str | Path) -> None:
    """Point the data loaders of a downstream config at a data set.

    Args:
        cfg: The config, changed in place.
        root: The data folder, in one of the usual layouts.

    Raises:
        FileNotFoundError: If there is no such folder, or it lacks a part.
        ImportError: If the task's library or mmcv's operators are missing.
    """
    check_scope(cfg.default_scope)
    task = find_task(cfg)
    cfg.data_root = str(root)
    for split in SPLITS:
        dataset = cfg[f'{split}_dataloader'].dataset
        name = 'val' if split == 'test' else split
        if task == 'classify':
            dataset.data_root = str(class_folders(root, name))
            if 'names_file' in dataset:
                listed = Path(dataset.names_file).name
                dataset.names_file = str(Path(root, 'meta', listed))
            continue
        dataset.data_root = str(root)
        if task == 'detect':
            coco = find_coco(root, name)
            dataset.ann_file = coco.ann_file
            dataset.data_prefix = dict(img=f'{coco.pictures}/')
            if split != 'train':
                path = Path(root, coco.ann_file)
                cfg[f'{split}_evaluator'].ann_file = str(path)
        else:
            found = find_label_maps(root, name)
            dataset.data_prefix = dict(
                img_path=found.pictures, seg_map_path=found.label_maps
            )
            dataset.img_suffix = found.suffix


def apply_classes(cfg: Config) -> None:
    """Find the classes, and give every part of the model their number.

    Configs with a ``classes`` key take any: those named there, or, for
    None, those of the data. The others keep the classes of their data set.

    Args:
        cfg: The config with its data applied, changed in place.

    Raises:
        ValueError: If the classes are unknown, or the model has another
            number of them.
    """
    if 'classes' in cfg:
        classes = cfg.classes
        if isinstance(classes, str):
            classes = classes.split(',')
        cfg.classes = list(classes or _classes_of_data(cfg))
        for part in (cfg.model, cfg.get('data_preprocessor')):
            for holder in find_dicts(part, 'num_classes'):
                holder.num_classes = len(cfg.classes)
        if find_task(cfg) != 'classify':
            meta = dict(
                classes=cfg.classes, palette=_palette(len(cfg.classes))
            )
            for split in SPLITS:
                cfg[f'{split}_dataloader'].dataset.metainfo = meta
    count = len(_classes(cfg))
    for holder in find_dicts(cfg.model, 'num_classes'):
        if holder.num_classes != count:
            raise ValueError(
                f'{holder.type} has num_classes={holder.num_classes}, but '
                f'there are {count} classes: start from one of the configs '
                'called *_own.py, which take any number'
            )


def check_transfer_data(cfg: Config) -> None:
    """Check the whole data set against the config, on the main process.

    Args:
        cfg: The config with data and classes applied.

    Raises:
        FileNotFoundError: If a part is missing.
        ValueError: Naming the first file and value that is wrong.
    """
    task = find_task(cfg)
    if task == 'classify':
        classes = _classes(cfg)
        found = _classes_of_data(cfg)
        if found != list(classes):
            raise ValueError(
                f'the class folders are {", ".join(found)}, but the classes '
                f'of the config {", ".join(classes)}'
            )
        return
    # torchrun's; there is no process group yet.
    if os.environ.get('RANK', '0') != '0':
        return
    classes = _classes(cfg)
    for split in SPLITS[:2]:
        dataset = cfg[f'{split}_dataloader'].dataset
        root = Path(dataset.data_root)
        if task == 'detect':
            check_coco(
                root / dataset.ann_file,
                root / dataset.data_prefix.img,
                classes,
                cfg.model.roi_head.get('mask_head') is not None,
            )
        else:
            (load,) = find_dicts(dataset.pipeline, 'reduce_zero_label')
            check_label_maps(
                root / dataset.data_prefix.img_path,
                root / dataset.data_prefix.seg_map_path,
                dataset.get('img_suffix', '.jpg'),
                len(classes),
                load.reduce_zero_label,
            )
    print_log(f'Data of {len(classes)} classes checked: {cfg.data_root}')


def apply_test_options(
    cfg: Config, tta: bool = False, show_dir: str | None = None
) -> None:
    """Apply the options that a test of a downstream model has.

    Args:
        cfg: The config, changed in place.
        tta: Test at several scales, flipped too, as the config says.
        show_dir: Where to draw predictions; None draws none.

    Raises:
        ValueError: If the config has no such test.
    """
    if tta:
        if 'tta_model' not in cfg:
            raise ValueError(f'--tta: {cfg.filename} has no tta_model')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    if show_dir is not None:
        hook = cfg.default_hooks.visualization
        if find_task(cfg) == 'classify':
            hook.update(enable=True, interval=1, out_dir=show_dir)
        else:
            hook.update(draw=True, interval=1)
            # mmdet's hook wants the folder, mmseg's visualizer.
            if find_task(cfg) == 'detect':
                hook.test_out_dir = show_dir
            cfg.visualizer.save_dir = show_dir


def check_pretrained(
    cfg: Config, checkpoint: str, allow_partial: bool
) -> None:
    """Check that a checkpoint fits the backbone, without building it.

    Raises:
        ValueError: If it cannot be read safely or does not fit.
    """
    state = read_state_dict(checkpoint)
    state = convert(state, detect_format(state), 'project').state
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope(cfg.default_scope),
    ):
        backbone = MODELS.build(cfg.model.backbone)
    match_backbone(backbone.state_dict(), state, allow_partial)


def _classes(cfg: Config) -> Sequence[str]:
    """Names of the classes that the config is for."""
    if cfg.get('classes'):
        return cfg.classes
    if find_task(cfg) == 'classify':
        return _classes_of_data(cfg)
    dataset = cfg.train_dataloader.dataset
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        return registry.get(dataset.type).METAINFO['classes']


def _classes_of_data(cfg: Config) -> list[str]:
    """Names of the classes that the data set has."""
    task, dataset = find_task(cfg), cfg.train_dataloader.dataset
    if task == 'classify':
        return check_class_folders(
            dataset.data_root, cfg.val_dataloader.dataset.data_root
        )
    if task == 'detect':
        content = read_coco(Path(dataset.data_root, dataset.ann_file))
        return [category['name'] for category in content['categories']]
    listed = Path(dataset.data_root, 'classes.txt')
    if not listed.is_file():
        raise ValueError(
            f"no {listed} with the classes' names, one a line, for the "
            'values 0, 1, ...: write it, or give --cfg-options '
            'classes="background,cat"'
        )
    lines = listed.read_text(encoding='utf-8').splitlines()
    return [line.strip() for line in lines if line.strip()]


def find_dicts(part: object, key: str) -> Iterator[ConfigDict]:
    """Every dict within a config's part that has a key."""
    if isinstance(part, dict):
        if part.get(key) is not None:
            yield part
        for value in part.values():
            yield from find_dicts(value, key)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from find_dicts(value, key)


def _palette(count: int) -> list[tuple[int, ...]]:
    """Distinct colours, RGB in [0, 255]."""
    colours = matplotlib.colormaps['tab20'].resampled(count)(range(count))
    # Tuples: mmdet's visualizer takes a list for a list of colours.
    return [tuple(c) for c in (colours[:, :3] * 255).astype(int).tolist()]
