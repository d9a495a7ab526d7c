"""Where annotated data sets keep what: the usual layouts, found by looking."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from .remote.roots import splits_of
from .remote.urls import is_remote
from .tars.remote_listing import remote_has_labels
from .tars.scan import has_labels, shards_in
from .walk import kind_of_entry, pictures_below

Split = Literal['train', 'val']

#: Other names of a split in use: COCO's, ADE20K's, Roboflow's.
ALIASES = dict(
    train=('train', 'train2017', 'training'),
    val=('val', 'val2017', 'validation', 'valid'),
)
_COCO_FILES = (
    'annotations/instances_{}.json',
    'annotations/{}.json',
    '{}/_annotations.coco.json',
    '{}.json',
)
_PICTURES = ('{}', 'images/{}', 'img_dir/{}', 'images', '.')
_LABEL_MAPS = (
    'label_maps/{}',
    'annotations/{}',
    'ann_dir/{}',
    'labels/{}',
    'masks/{}',
)
_UNLABELLED = ' has pictures without one in its first shard'


class DataLayout(NamedTuple):
    """Where the pictures lie.

    Attributes:
        train: Folder to train on; a string is a URL.
        val: Folder to evaluate on; None if there are no labels.
        reason: Why there is none.
    """

    train: Path | str
    val: Path | str | None
    reason: str = ''


class CocoSplit(NamedTuple):
    """A split of a COCO-format set.

    Attributes:
        ann_file: The annotations, relative to the root.
        pictures: Their pictures' folder, relative to the root.
    """

    ann_file: str
    pictures: str


class LabelMapSplit(NamedTuple):
    """A split of a set with label maps.

    Attributes:
        pictures: The pictures' folder, relative to the root.
        label_maps: The label maps' folder, relative to the root.
        suffix: The first picture's file name ending, with its dot.
    """

    pictures: str
    label_maps: str
    suffix: str


def find_layout(root: str | Path) -> DataLayout:
    """Tell an ImageNet-like folder from a plain one.

    With ``train/`` and ``val/`` in it, or their :data:`ALIASES`, ``train/``
    is what is trained on; if both hold class folders, the labels serve the
    evaluation. With ``train/`` alone, likewise. Anything else is trained on
    as a whole.

    Args:
        root: The data folder.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if is_remote(root):
        return _remote_layout(str(root))
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {root}: give --data the folder of your pictures, or '
            'put ImageNet there as train/ and val/ with class folders'
        )
    train, val = split_folder(root, 'train'), split_folder(root, 'val')
    if train is None:
        reason = f'no {root / "train"} and {root / "val"}'
        return DataLayout(root, None, reason)
    if val is None:
        return DataLayout(train, None, f'no {root / "val"}')
    for folder in (train, val):
        if shards_in(folder):
            reason = '' if has_labels(folder) else _UNLABELLED
        else:
            reason = why_no_classes(folder)
        if reason:
            return DataLayout(train, None, f'{folder}{reason}')
    return DataLayout(train, val)


def split_folder(root: Path, split: Split) -> Path | None:
    """The folder of a split, by the first of its names that is there."""
    folders = (root / alias for alias in ALIASES[split])
    return next((folder for folder in folders if folder.is_dir()), None)


def _remote_layout(root: str) -> DataLayout:
    splits = splits_of(root)
    if 'train' not in splits:
        return DataLayout(root, None, f'no train/ and val/ in {root}')
    for folder in splits.values():
        if not remote_has_labels(folder):
            return DataLayout(splits['train'], None, f'{folder}{_UNLABELLED}')
    val = splits.get('val')
    return DataLayout(
        splits['train'], val, '' if val else f'no val/ in {root}'
    )


def why_no_classes(folder: Path) -> str:
    """Why a folder's folders are no classes; nothing if they are.

    They are where pictures lie in them, and none beside them.
    """
    kinds = _kinds(folder)
    folders = [name for name, kind in kinds.items() if kind == 'folder']
    if not folders:
        return ' has no class folders'
    if any('picture' in _kinds(folder / name).values() for name in folders):
        flat = [name for name, kind in kinds.items() if kind == 'picture']
    else:
        # Pictures further down, or arrays, or none.
        found = [path.relative_to(folder) for path in pictures_below(folder)]
        if not found:
            return ' has no pictures'
        flat = [path.name for path in found if len(path.parts) == 1]
    if not flat:
        return ''
    return f' has pictures beside its class folders, first {min(flat)}'


def _kinds(folder: Path) -> dict[str, str | None]:
    with os.scandir(folder) as entries:
        return {entry.name: kind_of_entry(entry) for entry in entries}


def class_folders(root: str | Path, split: Split) -> Path | str:
    """The folder of a split's class folders.

    Args:
        root: The data folder.
        split: ``train`` or ``val``.

    Raises:
        FileNotFoundError: If there is none.
    """
    if is_remote(root):
        splits = splits_of(str(root))
        if split not in splits:
            raise FileNotFoundError(
                f'no {split}/ in {root}: labelled shards are looked for as '
                'train/*.tar and val/*.tar'
            )
        return splits[split]
    root = _folder(root)
    if (folder := split_folder(root, split)) is not None:
        return folder
    raise FileNotFoundError(
        f'no {root / split}: class folders are expected as {root}/train/CLASS '
        f'and {root}/val/CLASS'
    )


def folder_of(root: str | Path, split: Split, with_label: bool) -> Path | str:
    """The folder of a split's pictures, which without labels may be the root.

    Args:
        root: The data folder.
        split: ``train`` or ``val``.
        with_label: Whether class folders or labelled shards are needed.

    Raises:
        FileNotFoundError: If there is none.
    """
    if with_label:
        return class_folders(root, split)
    layout = find_layout(root)
    return layout.train if split == 'train' else layout.val or layout.train


def find_coco(root: str | Path, split: Split) -> CocoSplit:
    """Find the annotations and the pictures of a COCO-format split.

    Args:
        root: The data folder.
        split: ``train`` or ``val``.

    Raises:
        FileNotFoundError: If there is neither, naming what was looked for.
    """
    root = _folder(root)
    for ann_file in _names(_COCO_FILES, split):
        if (root / ann_file).is_file():
            break
    else:
        raise _not_found(root, f'{split} annotations', _COCO_FILES, split)
    # Roboflow's lie beside their annotations.
    beside = Path(ann_file).parent
    if beside.name in ALIASES[split]:
        return CocoSplit(ann_file, str(beside))
    for pictures in _names(_PICTURES, split):
        if _first_picture(root / pictures) is not None:
            return CocoSplit(ann_file, pictures)
    raise _not_found(root, f'{split} pictures', _PICTURES, split)


def find_label_maps(root: str | Path, split: Split) -> LabelMapSplit:
    """Find the pictures and the label maps of a split.

    Args:
        root: The data folder.
        split: ``train`` or ``val``.

    Raises:
        FileNotFoundError: If there are none, naming what was looked for.
    """
    root = _folder(root)
    for label_maps in _names(_LABEL_MAPS, split):
        if (root / label_maps).is_dir():
            break
    else:
        raise _not_found(root, f'{split} label maps', _LABEL_MAPS, split)
    for pictures in _names(_PICTURES[:3], split):
        first = _first_picture(root / pictures)
        if first is not None:
            return LabelMapSplit(pictures, label_maps, first.suffix)
    raise _not_found(root, f'{split} pictures', _PICTURES[:3], split)


def _folder(root: str | Path) -> Path:
    if is_remote(root):
        raise ValueError(
            f'{root}: pictures with boxes or label maps are read from a disk: '
            'give --data a folder'
        )
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {root}: give --data the folder of your data set'
        )
    return root


def _names(patterns: tuple[str, ...], split: Split) -> Iterator[str]:
    for pattern in patterns:
        for alias in ALIASES[split]:
            yield pattern.format(alias)


def _first_picture(folder: Path) -> Path | None:
    """The first picture in a folder, or in those below, by its path."""
    if not folder.is_dir():
        return None
    return min(pictures_below(folder), default=None)


def _not_found(
    root: Path, what: str, patterns: tuple[str, ...], split: str
) -> FileNotFoundError:
    looked = ', '.join(p.format(split) for p in patterns)
    return FileNotFoundError(
        f'no {what} in {root}: looked for {looked}, and the like with '
        f'{", ".join(ALIASES[split][1:])}. Rename them so, or set the paths '
        'in train_dataloader.dataset and val_dataloader.dataset'
    )
