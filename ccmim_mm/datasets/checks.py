"""What can be wrong with annotated data, found before a run starts."""

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from .listing import list_pictures

#: Label maps mark with it what is neither learned nor judged.
IGNORED = 255


def read_coco(ann_file: str | Path) -> dict:
    """Read COCO annotations.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not of the format.
    """
    try:
        content = json.loads(Path(ann_file).read_bytes())
    except ValueError as error:
        raise ValueError(f'{ann_file} is no JSON: {error}') from None
    keys = ('images', 'annotations', 'categories')
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise ValueError(
                f'{ann_file} has no "{key}": COCO instances have '
                f'{", ".join(keys)}'
            )
    return content


def check_coco(
    ann_file: str | Path,
    pictures: str | Path,
    classes: Sequence[str],
    with_mask: bool,
) -> None:
    """Check COCO annotations against the classes and the pictures.

    Args:
        ann_file: The annotations.
        pictures: Folder of the pictures.
        classes: The names that the model is to learn.
        with_mask: Whether the model learns masks.

    Raises:
        FileNotFoundError: If pictures or the file are missing.
        ValueError: Naming the file and the first value that is wrong.
    """
    content = read_coco(ann_file)
    names = [c['name'] for c in content['categories']]
    for found, wanted, problem in (
        (names, classes, 'is not among the classes of the config'),
        (classes, names, 'of the config is not among its categories'),
    ):
        _refuse(
            ann_file,
            [f'category {n!r} {problem}' for n in found if n not in wanted],
            'set classes, or rename the categories',
        )
    images = {image['id']: image for image in content['images']}
    categories = {c['id'] for c in content['categories']}
    missing = [
        f'picture {image["file_name"]} is not in {pictures}'
        for image in images.values()
        if not Path(pictures, image['file_name']).is_file()
    ]
    _refuse(ann_file, missing, 'put it there', FileNotFoundError)
    annotations = content['annotations']
    wrong = (_annotation_problem(a, images, categories) for a in annotations)
    _refuse(ann_file, [w for w in wrong if w], 'correct or remove it')
    boxes = [
        f'annotation {a["id"]} has a box and no mask'
        for a in annotations
        if with_mask and not a.get('segmentation')
    ]
    _refuse(ann_file, boxes, 'the faster-rcnn configs learn boxes alone')


def _annotation_problem(
    annotation: dict, images: dict, categories: set
) -> str | None:
    """What is wrong with one annotation, if anything."""
    name = f'annotation {annotation.get("id")}'
    image = images.get(annotation.get('image_id'))
    if image is None:
        return f'{name} is of picture {annotation.get("image_id")}, not listed'
    if annotation.get('category_id') not in categories:
        return f'{name} has unknown category {annotation.get("category_id")}'
    if len(annotation.get('bbox') or ()) != 4:
        return f'{name} has no box of four numbers'
    x, y, width, height = annotation['bbox']
    # A pixel of rounding is common.
    if (
        min(x, y) < -1
        or x + width > image['width'] + 1
        or y + height > image['height'] + 1
    ):
        return (
            f'{name}: box {annotation["bbox"]} lies outside '
            f'{image["file_name"]}, {image["width"]} x {image["height"]}'
        )
    return None


def check_label_maps(
    pictures: str | Path,
    label_maps: str | Path,
    suffix: str,
    num_classes: int,
    reduce_zero_label: bool = False,
) -> None:
    """Read every label map and check it against the classes.

    Args:
        pictures: Folder of the pictures.
        label_maps: Folder of the label maps, PNG, of the same names.
        suffix: The pictures' file name ending.
        num_classes: Number of classes.
        reduce_zero_label: Whether 0 is ignored and 1 the first class.

    Raises:
        FileNotFoundError: If there are no pictures.
        ValueError: Naming the first file and value that is wrong, or the
            first label map that is missing.
    """
    paths = sorted(Path(pictures).rglob(f'*{suffix}'))
    if not paths:
        raise FileNotFoundError(f'no *{suffix} in {pictures}')
    allowed = np.zeros(256, bool)
    allowed[: num_classes + reduce_zero_label] = True
    allowed[IGNORED] = True

    def problem(path: Path) -> str | None:
        relative = path.relative_to(pictures).with_suffix('.png')
        return _label_map_problem(path, Path(label_maps, relative), allowed)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [w for w in pool.map(problem, paths) if w]
    _refuse(
        'label maps',
        wrong,
        f'there are {num_classes} classes, and {IGNORED} is ignored',
    )


def _label_map_problem(
    picture: Path, label_map: Path, allowed: np.ndarray
) -> str | None:
    if not label_map.is_file():
        return f'{label_map} is missing, the label map of {picture}'
    with Image.open(label_map) as image, Image.open(picture) as other:
        ids = np.asarray(image)
        # A photograph may be stored turned; its label map never is.
        sizes = sorted(image.size), sorted(other.size)
    if ids.ndim > 2:
        return f'{label_map} has {ids.shape[2]} channels, not 1'
    if sizes[0] != sizes[1]:
        return f'{label_map} is {image.size}, its picture {other.size} pixels'
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
        ValueError: Naming the class folder that is empty or missing.
    """
    classes = []
    for folder in (train, val):
        found, _ = list_pictures(folder).classes()
        folders = {p.name for p in Path(folder).iterdir() if p.is_dir()}
        empty = sorted(f for f in folders - set(found) if f[0] != '.')
        _refuse(
            folder,
            [f'class folder {name} has no pictures' for name in empty],
            'fill or remove it',
        )
        classes.append(found)
    for i, (folder, other) in enumerate(((val, train), (train, val))):
        lost = sorted(set(classes[i]) - set(classes[1 - i]))
        _refuse(
            folder,
            [f'no class folder {name}, which {other} has' for name in lost],
            'both need every class',
        )
    return classes[0]


def _refuse(
    where: str | Path,
    problems: Iterable[str],
    fix: str,
    kind: type[Exception] = ValueError,
) -> None:
    """Raise an error for the first problem, if there are any."""
    problems = list(problems)
    if problems:
        more = f' ({len(problems)} such)' if len(problems) > 1 else ''
        raise kind(f'{where}: {problems[0]}{more}; {fix}')
