"""Where data sets keep their pictures and class folders."""

import os
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


def folders_in(folder: Path) -> list[str]:
    """Names of a folder's own folders, hidden ones aside, sorted.

    Where no class folder is empty they are the classes.
    """
    kinds = _kinds(folder)
    return sorted(name for name, kind in kinds.items() if kind == 'folder')


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
    root = annotated_root(root)
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


def annotated_root(root: str | Path) -> Path:
    """The folder of a data set that is no bare pictures.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is a URL.
    """
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
