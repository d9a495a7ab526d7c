"""COCO annotations, checked, and completed by what mmdet takes for granted."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .coco_annotations import complete_annotations, is_id, is_learned
from .picture_sizes import check_readable, size_as_loaded
from .problems import problems_of, refuse, twice


def read_coco(
    ann_file: str | Path,
    keys: Sequence[str] = ('images', 'annotations', 'categories'),
) -> dict:
    """Read COCO annotations.

    Args:
        ann_file: The file.
        keys: What it must have, each a list of dicts.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not of the format.
    """
    try:
        content = json.loads(Path(ann_file).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{ann_file} is no JSON: {error}') from None
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise ValueError(
                f'{ann_file} has no "{key}": COCO instances have '
                f'{", ".join(keys)}'
            )
        part = content[key]
        if not isinstance(part, list) or not all(
            isinstance(entry, dict) for entry in part
        ):
            raise ValueError(f'{ann_file}: "{key}" is no list of entries')
    return content


def category_names(content: dict, ann_file: str | Path) -> list[str]:
    """Names of the categories, in the file's order.

    Raises:
        ValueError: If one has no name or no id, or two have the same.
    """
    categories = content['categories']
    names = [category.get('name') for category in categories]
    _check_texts(ann_file, names, 'category')
    _check_ids(ann_file, categories, 'category')
    return names


def complete_coco(
    content: dict,
    ann_file: str | Path,
    pictures: str | Path,
    classes: Sequence[str],
    with_mask: bool,
    channels: int | None = None,
) -> list[str]:
    """Check annotations, and fill in what mmdet takes for granted.

    mmdet numbers the categories by their order in each file, and needs an
    ``area`` and ``iscrowd`` of every annotation, ``width`` and ``height`` of
    every picture; COCO's evaluation takes an annotation whose ``id`` is not
    positive for one that nothing matched.

    Args:
        content: The annotations, completed in place.
        ann_file: Where they are from, for messages.
        pictures: Folder of the pictures, whose size is read if it is not
            given.
        classes: The names that the model is to learn, in its order.
        with_mask: Whether the model learns masks.
        channels: Of pictures that are no colours.

    Returns:
        What was filled in, for people; empty if they were complete.

    Raises:
        FileNotFoundError: If a picture is missing whose size is not given.
        ValueError: Naming the file and the first value that is wrong.
    """
    names = category_names(content, ann_file)
    for found, wanted, problem in (
        (names, classes, 'is not among the classes of the config'),
        (classes, names, 'of the config is not among its categories'),
    ):
        refuse(
            ann_file,
            [f'category {n!r} {problem}' for n in found if n not in wanted],
            'set classes, or rename the categories',
        )
    done = []
    order = {name: place for place, name in enumerate(classes)}
    if names != list(classes):
        content['categories'].sort(key=lambda c: order[c['name']])
        done.append('categories in the order of the classes')
    if sizes := _complete_pictures(
        content['images'], ann_file, pictures, channels
    ):
        done.append(f'width and height of {sizes} pictures')
    filled = complete_annotations(content, ann_file, with_mask)
    return done + [f'{what} of {n} annotations' for what, n in filled.items()]


def check_coco(
    ann_file: str | Path,
    pictures: str | Path,
    classes: Sequence[str],
    with_mask: bool,
    filter_cfg: dict[str, Any] | None = None,
    channels: int | None = None,
    judged: bool = False,
) -> list[str]:
    """Check COCO annotations against the classes and the pictures.

    Args:
        ann_file: The annotations.
        pictures: Folder of the pictures.
        classes: The names that the model is to learn.
        with_mask: Whether the model learns masks.
        filter_cfg: Which pictures mmdet is told to leave out of training.
        channels: Of pictures that are no colours.
        judged: Whether a model is judged by them, which takes them all.

    Returns:
        What mmdet leaves out, for people.

    Raises:
        FileNotFoundError: If pictures or the file are missing.
        ValueError: Naming the file and the first value that is wrong, or
            the first picture to judge by that cannot be read.
    """
    content = read_coco(ann_file)
    complete_coco(content, ann_file, pictures, classes, with_mask, channels)
    missing = [
        f'picture {image["file_name"]} is not in {pictures}'
        for image in content['images']
        if not Path(pictures, image['file_name']).is_file()
    ]
    refuse(ann_file, missing, 'put it there', FileNotFoundError)
    refuse(
        ann_file,
        problems_of(
            content['images'], lambda i: _size_problem(i, pictures, channels)
        ),
        'annotate the pictures as they are',
    )
    if judged:
        files = [Path(pictures, i['file_name']) for i in content['images']]
        check_readable(files, channels)
    return _left_out(content, ann_file, filter_cfg or {})


def _complete_pictures(
    images: list[dict],
    ann_file: str | Path,
    folder: str | Path,
    channels: int | None,
) -> int:
    """Check the pictures' entries and fill in sizes; how many."""
    files = [image.get('file_name') for image in images]
    _check_texts(ann_file, files, 'picture')
    _check_ids(ann_file, images, 'picture')
    unsized = [
        image
        for image in images
        if not all(
            type(image.get(side)) is int and image[side] > 0
            for side in ('width', 'height')
        )
    ]
    for image in unsized:
        path = Path(folder, image['file_name'])
        try:
            size = size_as_loaded(path, channels)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{ann_file}: picture {image["file_name"]} is not in '
                f'{folder}, and has no width and height; put it there'
            ) from None
        except Exception as error:
            raise ValueError(
                f'{ann_file}: picture {image["file_name"]} cannot be read '
                f'({error}), and has no width and height; give them, or '
                'remove it'
            ) from None
        image['width'], image['height'] = size
    return len(unsized)


def _left_out(
    content: dict, ann_file: str | Path, filter_cfg: dict[str, Any]
) -> list[str]:
    """What mmdet does not train on, counted.

    Raises:
        ValueError: If nothing is left.
    """
    images = {image['id']: image for image in content['images']}
    annotations = content['annotations']
    small = [
        number
        for number, image in images.items()
        if min(image['width'], image['height']) < filter_cfg.get('min_size', 0)
    ]
    empty = set()
    if filter_cfg.get('filter_empty_gt'):
        empty = images.keys() - {a['image_id'] for a in annotations}
    if len({*small, *empty}) == len(images):
        raise ValueError(
            f'{ann_file}: no picture is left to learn from: '
            f'{len(empty)} of {len(images)} have no annotations, {len(small)} '
            f'are smaller than filter_cfg.min_size'
        )
    unused = [
        a
        for a in annotations
        if not a['iscrowd'] and not is_learned(a, images[a['image_id']])
    ]
    return [
        f'{count} {what}'
        for count, what in (
            (len(empty), 'pictures without annotations'),
            (len(small), 'pictures below filter_cfg.min_size'),
            (len(unused), 'annotations without a size'),
        )
        if count
    ]


def _size_problem(
    image: dict, folder: str | Path, channels: int | None
) -> str | None:
    """Whether a picture has the size that its annotations are for."""
    try:
        found = size_as_loaded(Path(folder, image['file_name']), channels)
    except Exception:
        # Training replaces and counts what cannot be read.
        return None
    if found == (image['width'], image['height']):
        return None
    return (
        f'picture {image["file_name"]} is {found[0]} x {found[1]} as it is '
        f'loaded, and annotated as {image["width"]} x {image["height"]}'
    )


def _check_texts(
    ann_file: str | Path, values: Sequence[object], what: str
) -> None:
    wrong = [
        f'{what} {value!r} is no name'
        for value in values
        if not isinstance(value, str) or not value
    ]
    refuse(ann_file, wrong, 'it has to be text')
    refuse(ann_file, twice(values, what), 'list it once')  # type: ignore


def _check_ids(
    ann_file: str | Path, entries: Sequence[dict], what: str
) -> None:
    ids = [entry.get('id') for entry in entries]
    wrong = [
        f'{what} id {i!r} is no whole number' for i in ids if not is_id(i)
    ]
    refuse(ann_file, wrong, 'number them')
    refuse(ann_file, twice(ids, f'{what} id'), 'number them anew')
