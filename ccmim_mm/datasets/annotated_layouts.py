"""Where annotated data sets keep what: the usual layouts, found by looking."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .layouts import ALIASES, Split, annotated_root
from .walk import pictures_below

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


def find_coco(root: str | Path, split: Split) -> CocoSplit:
    """Find the annotations and the pictures of a COCO-format split.

    Args:
        root: The data folder.
        split: ``train`` or ``val``.

    Raises:
        FileNotFoundError: If there is neither, naming what was looked for.
    """
    root = annotated_root(root)
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
    root = annotated_root(root)
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


def _names(patterns: tuple[str, ...], split: Split) -> Iterator[str]:
    for pattern in patterns:
        for alias in ALIASES[split]:
            yield pattern.format(alias)


def _first_picture(folder: Path) -> Path | None:
    """The first picture in a folder, or in those below, by its path."""
    return next(iter(pictures_below(folder)), None)


def _not_found(
    root: Path, what: str, patterns: tuple[str, ...], split: str
) -> FileNotFoundError:
    looked = ', '.join(p.format(split) for p in patterns)
    return FileNotFoundError(
        f'no {what} in {root}: looked for {looked}, and the like with '
        f'{", ".join(ALIASES[split][1:])}. Rename them so, or set the paths '
        'in train_dataloader.dataset and val_dataloader.dataset'
    )
