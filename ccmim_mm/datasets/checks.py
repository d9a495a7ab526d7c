"""What can be wrong with annotated data, found before a run starts."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..files import printable
from .label_map_dataset import pair_label_maps
from .listing import list_pictures
from .picture_sizes import check_readable, size_as_loaded
from .problems import problems_of, refuse
from .remote.urls import is_remote

#: Label maps mark with it what is neither learned nor judged.
IGNORED = 255


def check_label_maps(
    pictures: str | Path,
    label_maps: str | Path,
    suffix: str | None,
    num_classes: int,
    reduce_zero_label: bool = False,
    channels: int | None = None,
    judged: bool = False,
) -> list[str]:
    """Read every label map and check it against the classes.

    Args:
        pictures: Folder of the pictures.
        label_maps: Folder of the label maps, PNG, of the same names.
        suffix: The pictures' file name ending; None for a data set that
            takes any.
        num_classes: Number of classes.
        reduce_zero_label: Whether 0 is ignored and 1 the first class.
        channels: Of pictures that are no colours.
        judged: Whether a model is judged by them, which takes them all.

    Returns:
        What is not used, for people.

    Raises:
        FileNotFoundError: If there are no pictures.
        ValueError: Naming the first file and value that is wrong, the first
            label map that is missing, or picture to judge by that cannot be
            read.
    """
    pairs, bare, alone, shared = pair_label_maps(pictures, label_maps)
    if suffix is not None:
        found = [*(picture for picture, _ in pairs), *bare]
        others = [p for p in found if not p.name.endswith(suffix)]
        if len(others) == len(found):
            raise FileNotFoundError(f'no *{suffix} in {pictures}')
        refuse(
            pictures,
            [f'{other} does not end in {suffix}' for other in others]
            + [
                f'{label_map} does not end in .png'
                for _, label_map in pairs
                if label_map.suffix != '.png'
            ],
            'rename it, or set the data set to type=LabelMapDataset, which '
            'takes any',
        )
    if not pairs and not bare:
        raise FileNotFoundError(f'no pictures in {pictures}')
    refuse(
        'label maps',
        [f'{path} has none in {label_maps}' for path in bare],
        'add a PNG of its name, or remove it',
    )
    refuse(
        'label maps',
        [f'{path} is of several pictures' for path in shared],
        'pictures of one folder need names that differ, suffixes aside',
    )
    allowed = np.zeros(256, bool)
    allowed[: num_classes + reduce_zero_label] = True
    allowed[IGNORED] = True
    refuse(
        'label maps',
        problems_of(
            pairs, lambda pair: _label_map_problem(*pair, allowed, channels)
        ),
        f'there are {num_classes} classes, and {IGNORED} is ignored: give '
        'all of them, --cfg-options classes=NAME,NAME,... or, where a '
        'classes.txt has them, classes=None',
    )
    if judged:
        check_readable((picture for picture, _ in pairs), channels)
    return [f'{len(alone)} label maps without a picture'] if alone else []


def _label_map_problem(
    picture: Path,
    label_map: Path,
    allowed: np.ndarray,
    channels: int | None,
) -> str | None:
    try:
        with Image.open(label_map) as image:
            ids = np.asarray(image)
            size = image.size
    except Exception as error:
        return f'{label_map} cannot be read ({error})'
    if ids.ndim > 2:
        return f'{label_map} has {ids.shape[2]} channels, not 1'
    try:
        expected = size_as_loaded(picture, channels)
    except Exception:
        # Training replaces and counts what cannot be read.
        expected = size
    if size != expected:
        return f'{label_map} is {size}, its picture {expected} as it is loaded'
    found = np.unique(ids)
    unknown = found[~allowed[found.clip(0, 255)] | (found > 255)]
    if len(unknown):
        return f'{label_map} has the value {unknown[0]}'
    return None


def check_class_folders(train: str | Path, val: str | Path) -> list[str]:
    """Check that both splits have pictures of the same classes.

    Returns:
        The classes: the folders' names, sorted.

    Raises:
        FileNotFoundError: If a folder is missing or has no pictures.
        ValueError: Naming the class folder that is empty, missing or alone.
    """
    classes = []
    for folder in (train, val):
        found, _ = list_pictures(folder).classes(folder)
        # Shards have none that could be empty.
        beside = () if is_remote(folder) else Path(folder).iterdir()
        folders = {p.name for p in beside if p.is_dir()}
        empty = sorted(f for f in folders - set(found) if f[0] != '.')
        refuse(
            folder,
            [f'class folder {name} has no pictures' for name in empty],
            'fill or remove it',
        )
        classes.append(found)
    for i, (folder, other) in enumerate(((val, train), (train, val))):
        lost = sorted(set(classes[i]) - set(classes[1 - i]))
        refuse(
            folder,
            [f'no class folder {name}, which {other} has' for name in lost],
            'both need every class',
        )
    if len(classes[0]) == 1:
        raise ValueError(
            f'{train}: {printable(classes[0][0])} is its only class, and '
            'there is nothing to tell apart: put the pictures of others in '
            'folders beside it'
        )
    return classes[0]
