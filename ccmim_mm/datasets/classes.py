"""The classes of a downstream config, for data and model."""

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from ..config_parts import find_dicts
from ..files import printable
from .checks import check_class_folders
from .coco import category_names, read_coco
from .data_root import kind_of, leaf, leaves
from .layouts import class_folders, folders_in
from .problems import refuse, twice
from .remote.urls import is_remote
from .tars.scan import shards_in

#: Names the values of label maps, in the data folder.
LISTED = 'classes.txt'
SPLITS = ('train', 'val', 'test')
#: Data sets whose files are where :mod:`checks` looks for them.
CHECKED = (
    'PictureFolder',
    'PictureTars',
    'CocoDataset',
    'LabelMapDataset',
    'BaseSegDataset',
    'ADE20KDataset',
)


def has_classes(cfg: Config) -> bool:
    """Whether a config trains on annotations."""
    trains = cfg.get('train_dataloader') is not None
    return trains and kind_of(leaf(cfg, 'train')) != 'pictures'


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
        if isinstance(classes, str | int):
            classes = str(classes).split(',')
        # An override reads 0,1 as numbers.
        cfg.classes = [*map(str, classes or classes_of_data(cfg))]
        _set_count(cfg, len(cfg.classes))
        meta = dict(classes=cfg.classes)
        if kind_of(leaf(cfg, 'train')) != 'class_folders':
            meta['palette'] = _palette(len(cfg.classes))
        for split in _splits(cfg):
            for dataset in leaves(cfg[f'{split}_dataloader'].dataset):
                dataset.metainfo = meta
    _check_heads(cfg)


def _set_count(cfg: Config, count: int) -> None:
    """Make every part of the model for that many classes, and say so."""
    changed = set()
    for part in (cfg.model, cfg.get('data_preprocessor')):
        for holder in find_dicts(part, 'num_classes'):
            if holder.num_classes != count:
                changed.add(holder.num_classes)
            holder.num_classes = count
    if changed:
        was = ', '.join(map(str, sorted(changed)))
        print_log(f'num_classes is {count}, by the classes, and not {was}')


def _check_heads(cfg: Config) -> None:
    """Compare the number of classes with what the heads are made for.

    Raises:
        ValueError: If a model that is made for any has another.
    """
    if _is_one_of_many():
        # The first of the machine says so for all of it, and ends them.
        return
    dataset = leaf(cfg, 'train')
    if 'classes' not in cfg and (
        dataset.type not in CHECKED or dataset.get('metainfo')
    ):
        # Of another library's config, which knows what it does.
        return
    count = len(class_names(cfg))
    for holder in find_dicts(cfg.model, 'num_classes'):
        if holder.num_classes != count and 'Head' in holder.type:
            if 'classes' not in cfg and kind_of(dataset) != 'class_folders':
                # Some heads count something else.
                print_log(
                    f'{holder.type} has num_classes={holder.num_classes}; the '
                    f'data set {count} classes'
                )
                continue
            raise ValueError(
                f'{holder.type} has num_classes={holder.num_classes}, but '
                f'there are {count} classes: start from one of the configs '
                'called *_own.py, which take any number'
            )


def check_learned(cfg: Config, learned: Sequence[str]) -> None:
    """Compare the classes of a config with those that a model has learned.

    Args:
        cfg: The config with its classes applied; one that is for the classes
            of its data set alone says nothing of them.
        learned: Their names in the order of their numbers; empty if the
            checkpoint does not tell.

    Raises:
        ValueError: If they differ.
    """
    classes = cfg.get('classes')
    if not classes or not learned or [*classes] == [*learned]:
        return
    remedy = ''
    if not any(',' in name for name in learned):
        names = ','.join(learned)
        remedy = f', or --cfg-options classes={printable(names)}'
    raise ValueError(
        f'its classes are {printable(", ".join(learned))}, and here '
        f'{printable(", ".join(classes))}: give the work dir of its run as '
        f'the config{remedy}'
    )


def channels_of(dataset: ConfigDict) -> int | None:
    """Of a data set's pictures, unless it reads them as colours."""
    pipeline = dataset.get('pipeline') or ()
    loads = [t for t in pipeline if t['type'] == 'LoadChannels']
    return loads[0]['channels'] if loads else None


def with_masks(cfg: Config) -> bool:
    """Whether a detector learns masks."""
    return (cfg.model.get('roi_head') or {}).get('mask_head') is not None


def class_names(cfg: Config) -> Sequence[str]:
    """Names of the classes that the config is for."""
    if cfg.get('classes'):
        return cfg.classes
    dataset = leaf(cfg, 'train')
    if named := (dataset.get('metainfo') or {}).get('classes'):
        return named
    if kind_of(dataset) == 'class_folders':
        return classes_of_data(cfg)
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        return registry.get(dataset.type).METAINFO['classes']


def _is_one_of_many() -> bool:
    """Whether another process of this machine looks for all of it.

    They cannot ask each other yet. Once there is a process group, all look
    together.
    """
    return not is_distributed() and os.environ.get('LOCAL_RANK', '0') != '0'


def classes_of_data(cfg: Config) -> list[str]:
    """Names of the classes that the data set has.

    While the processes cannot ask each other, all but the first of a machine
    take those of class folders without looking into them. Those of shards are
    in their labels, which each process reads.

    Raises:
        FileNotFoundError: If a part is missing.
        ValueError: If the class folders, categories or ``classes.txt`` are
            none that can be learned.
    """
    dataset = leaf(cfg, 'train')
    kind = kind_of(dataset)
    if kind == 'class_folders':
        folder = _class_folders(dataset)
        # A thousand processes would walk through a million files each.
        if _is_one_of_many() and not _is_of_shards(folder):
            return folders_in(Path(folder))
        train, *val = (
            _class_folders(leaf(cfg, split))
            for split in _splits(cfg)
            if split != 'test'
        )
        return check_class_folders(train, *(val or [train]))
    if kind == 'coco':
        path = Path(dataset.data_root, dataset.ann_file)
        return category_names(read_coco(path), path)
    if (names := listed_classes(dataset.data_root)) is None:
        raise ValueError(
            f"no {Path(dataset.data_root, LISTED)} with the classes' names, "
            'one a line, for the values 0, 1, ...: write it, or give '
            '--cfg-options classes="background,cat"'
        )
    return names


def listed_classes(root: str | Path) -> list[str] | None:
    """Names that a data folder's ``classes.txt`` has, if there is one.

    Raises:
        ValueError: If it is not UTF-8, or a name is missing or there twice.
    """
    path = Path(root, LISTED)
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is not UTF-8 ({error.reason}, byte {error.start}): save '
            'it as that'
        ) from None
    names = [line.strip() for line in text.rstrip().split('\n')]
    refuse(
        path,
        [
            f'line {i} has no name'
            for i, name in enumerate(names, 1)
            if not name
        ]
        + twice(names, 'the name'),
        'write a name a line, for the values 0, 1, ..., each once',
    )
    return names


def _splits(cfg: Config) -> list[str]:
    """The splits that a config has a loader for."""
    return [s for s in SPLITS if cfg.get(f'{s}_dataloader') is not None]


def _class_folders(dataset: ConfigDict) -> Path | str:
    split = dataset.get('split')
    root = dataset.data_root
    return class_folders(root, split) if split else root


def _is_of_shards(folder: Path | str) -> bool:
    return is_remote(folder) or bool(shards_in(folder))


def _palette(count: int) -> list[tuple[int, ...]]:
    """Distinct colours, RGB in [0, 255]."""
    colours = matplotlib.colormaps['tab20'].resampled(count)(range(count))
    # Tuples: mmdet's visualizer takes a list for a list of colours.
    return [tuple(c) for c in (colours[:, :3] * 255).astype(int).tolist()]
