"""The data of a downstream config, checked against its classes."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from ..config_parts import find_dicts
from ..files import printable
from ..torchrun import is_first
from .checks import check_label_maps
from .classes import (
    CHECKED,
    LISTED,
    channels_of,
    class_names,
    classes_of_data,
    listed_classes,
    with_masks,
)
from .coco import check_coco
from .data_root import evaluators, kind_of, leaf


def check_data(cfg: Config, splits: Sequence[str] = ('train', 'val')) -> None:
    """Check the data of each stage against the config, on the main process.

    Class folders of a test are left to their data set, which finds the
    classes by name, be they fewer.

    Args:
        cfg: The config with data and classes applied.
        splits: What is read: ``train``, ``val``, ``test``.

    Raises:
        FileNotFoundError: If a part is missing.
        ValueError: Naming the first file and value that is wrong.
    """
    splits = [s for s in splits if cfg.get(f'{s}_dataloader') is not None]
    dataset = leaf(cfg, 'train')
    if dataset.type not in CHECKED or dataset.get('data_root') is None:
        return
    if kind_of(dataset) == 'class_folders':
        if 'train' in splits:
            _check_class_folders(cfg)
        return
    if not is_first():
        return
    classes = class_names(cfg)
    for split in splits:
        if split == 'test' and not _is_judged(cfg):
            continue
        check = _check_coco if kind_of(dataset) == 'coco' else _check_maps
        if unused := check(cfg, split, classes):
            print_log(f'Not used of the {split} data: {", ".join(unused)}')
    where = printable(cfg.data_root)
    print_log(f'Data of {len(classes)} classes checked: {where}')


def _is_judged(cfg: Config) -> bool:
    """Whether a test compares with annotations, and does not only write."""
    judges = evaluators(cfg, 'test')
    return not all(judge.get('format_only') for judge in judges)


def _check_class_folders(cfg: Config) -> None:
    found, classes = classes_of_data(cfg), class_names(cfg)
    if sorted(found) != sorted(classes):
        raise ValueError(
            f'the class folders are {", ".join(found)}, but the classes of '
            f'the config {", ".join(classes)}: call them alike, or take '
            "the folders', --cfg-options classes=None"
        )


def _check_coco(cfg: Config, split: str, classes: Sequence[str]) -> list[str]:
    dataset = leaf(cfg, split)
    root = Path(dataset.data_root)
    return check_coco(
        root / dataset.ann_file,
        root / dataset.data_prefix.img,
        classes,
        with_masks(cfg),
        None if dataset.get('test_mode') else dataset.get('filter_cfg'),
        channels_of(dataset),
        judged=split != 'train',
    )


def _check_maps(cfg: Config, split: str, classes: Sequence[str]) -> list[str]:
    dataset = leaf(cfg, split)
    root = Path(dataset.data_root)
    any_suffix = dataset.type == 'LabelMapDataset'
    if len(classes) == 1 and _is_softmax(cfg):
        raise ValueError(
            f'{classes[0]} is the only class, of which a softmax learns '
            'nothing: name what lies around it too, --cfg-options '
            f'classes=background,{classes[0]}'
        )
    listed = listed_classes(root) if 'classes' in cfg else None
    if listed and listed != [*classes]:
        raise ValueError(
            f'{root / LISTED} names {", ".join(listed)}, but the classes of '
            f'the config are {", ".join(classes)}: mend or remove the file, '
            'if the label maps have these; or, to train, take those of the '
            'file, --cfg-options classes=None'
        )
    suffix = dataset.get('seg_map_suffix', '.png')
    if dataset.get('ann_file') or suffix != '.png':
        print_log(f'The {split} label maps are not checked: not all are meant')
        return []
    return check_label_maps(
        root / dataset.data_prefix.img_path,
        root / dataset.data_prefix.seg_map_path,
        None if any_suffix else dataset.get('img_suffix', '.jpg'),
        len(classes),
        _reduces_zero(dataset, split),
        channels_of(dataset),
        judged=split != 'train',
    )


def _is_softmax(cfg: Config) -> bool:
    """Whether a segmentor learns the classes against each other alone."""
    losses: list[ConfigDict] = []
    for head in find_dicts(cfg.model, 'loss_decode'):
        given = head.loss_decode
        losses += given if isinstance(given, list | tuple) else [given]
    return bool(losses) and all(
        loss.type.endswith('CrossEntropyLoss') and not loss.get('use_sigmoid')
        for loss in losses
    )


def _reduces_zero(dataset: ConfigDict, split: str) -> bool:
    """Whether 0 is ignored and 1 the first class.

    Raises:
        ValueError: If data set and transform differ, where mmseg stops at
            the first sample.
    """
    given = dataset.get('reduce_zero_label', dataset.type == 'ADE20KDataset')
    for load in find_dicts(dataset.pipeline, 'reduce_zero_label'):
        if bool(load.reduce_zero_label) != bool(given):
            raise ValueError(
                f'reduce_zero_label is {given} of the {split} data set, '
                f'{dataset.type}, and {load.reduce_zero_label} of its '
                f'{load.type}: give the data set the one that is meant, and '
                'the transform the same or none'
            )
    return bool(given)
