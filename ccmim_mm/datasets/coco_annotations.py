"""COCO annotations, one by one: what is wrong, what is missing."""

import math
from collections import Counter
from pathlib import Path

import numpy as np

from .problems import refuse, twice


def complete_annotations(
    content: dict, ann_file: str | Path, with_mask: bool
) -> Counter[str]:
    """Check all annotations of a file and fill in what they lack.

    Args:
        content: The file's, its pictures and categories checked; completed
            in place.
        ann_file: Where it is from, for messages.
        with_mask: Whether the model learns masks.

    Returns:
        What was filled in, of how many.

    Raises:
        ValueError: Naming the first that is wrong.
    """
    annotations = content.get('annotations', [])
    images = {image['id']: image for image in content['images']}
    categories = {category['id'] for category in content['categories']}
    wrong = [
        problem
        for a in annotations
        if (problem := _problem(a, images, categories, with_mask))
    ]
    refuse(ann_file, wrong, 'correct or remove it')
    ids = [annotation.get('id') for annotation in annotations]
    given = [number for number in ids if number is not None]
    refuse(ann_file, twice(given, 'annotation'), 'number them anew')
    filled: Counter[str] = Counter()
    bare = []
    for annotation in annotations:
        image = images[annotation['image_id']]
        if annotation.get('iscrowd') is None:
            annotation['iscrowd'] = 0
            filled['iscrowd'] += 1
        if not _is_number(annotation.get('area')):
            annotation['area'] = _area(annotation, image)
            filled['area'] += 1
        if with_mask and not annotation.get('segmentation'):
            if is_learned(annotation, image):
                bare.append(f'{_name(annotation)} has a box and no mask')
            # Not learned, but read all the same.
            annotation['segmentation'] = [_corners(annotation['bbox'])]
            filled['mask'] += 1
    refuse(ann_file, bare, 'the faster-rcnn configs learn boxes alone')
    if any(type(number) is not int or number < 1 for number in ids):
        for number, annotation in enumerate(annotations, 1):
            annotation['id'] = number
        filled['id'] = len(annotations)
    return filled


def _problem(
    annotation: dict, images: dict, categories: set, with_mask: bool
) -> str | None:
    """What is wrong with one annotation, if anything."""
    name = _name(annotation)
    image_id = annotation.get('image_id')
    category = annotation.get('category_id')
    image = images.get(image_id) if is_id(image_id) else None
    if image is None:
        return f'{name} is of picture {image_id!r}, not listed'
    if not is_id(category) or category not in categories:
        return f'{name} has unknown category {category!r}'
    number = annotation.get('id')
    if number is not None and not is_id(number):
        return f'{name} has an id that is no whole number'
    if annotation.get('iscrowd') not in (None, 0, 1):
        return f'{name}: iscrowd is {annotation["iscrowd"]!r}, not 0 or 1'
    box = annotation.get('bbox')
    if not isinstance(box, list) or len(box) != 4:
        return f'{name} has no box of four numbers'
    if not all(_is_number(v) for v in box) or min(box[2:]) < 0:
        return f'{name}: box {box} is not x, y, width, height'
    x, y, width, height = box
    # A pixel of rounding is common; what has no size is never learned.
    if min(width, height) > 0 and (
        min(x, y) < -1
        or x + width > image['width'] + 1
        or y + height > image['height'] + 1
    ):
        return (
            f'{name}: box {box} lies outside {image["file_name"]}, '
            f'{image["width"]} x {image["height"]}'
        )
    mask = annotation.get('segmentation')
    read = with_mask or not _is_number(annotation.get('area'))
    if mask and read and not _is_mask(mask, image):
        return (
            f'{name}: its mask is neither polygons [[x, y, ...], ...] of '
            'three points or more, in or near its picture, nor run lengths '
            'of it'
        )
    return None


def _is_mask(mask: object, image: dict) -> bool:
    """Whether a mask is one that pycocotools can take."""
    height, width = image['height'], image['width']
    # pycocotools walks along the edges, and crashes on the way to 1e9. Chosen
    # here.
    reach = 10 * max(height, width)
    if isinstance(mask, list):
        return all(
            isinstance(polygon, list)
            and len(polygon) >= 6
            and len(polygon) % 2 == 0
            # Large files have tens of millions of these.
            and {*map(type, polygon)} <= {int, float}
            and -reach <= min(polygon) <= max(polygon) <= reach
            # A NaN may be neither the least nor the most.
            and math.isfinite(sum(polygon))
            for polygon in mask
        )
    if not isinstance(mask, dict) or mask.get('size') != [height, width]:
        return False
    counts = mask.get('counts')
    if isinstance(counts, str):
        counts = _run_lengths(counts)
    return (
        isinstance(counts, list)
        and all(type(n) is int and n >= 0 for n in counts)
        and sum(counts) == height * width
    )


def _run_lengths(text: str) -> list[int]:
    """What pycocotools reads out of compressed run lengths.

    A character holds five bits of a number, the least first, and whether
    more of it follow; the last one's highest bit is its sign. From the fourth
    number on it is what the one two places before is to be added to.

    Returns:
        The lengths; none if it is no such text.
    """
    data = text.encode(errors='backslashreplace')
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(codes & 32 == 0)
    if not len(ends) or codes.min() < 0 or codes.max() > 63:
        return []
    starts = np.r_[0, ends[:-1] + 1]
    digits = ends - starts + 1
    # Of more it makes no length; behind the last end one is not finished.
    if digits.max() > 7 or ends[-1] != len(codes) - 1:
        return []
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, digits))
    values = np.add.reduceat((codes & 31) << shifts, starts)
    values -= (codes[ends] >> 4 & 1) << 5 * digits
    for chain in (values[1::2], values[2::2]):
        np.cumsum(chain, out=chain)
    return values.tolist()


def _area(annotation: dict, image: dict) -> float:
    """Pixels of an annotation's mask, or of its box if it has none."""
    mask = annotation.get('segmentation')
    if not mask:
        return annotation['bbox'][2] * annotation['bbox'][3]
    # It comes with mmdet, which pre-training does without.
    from pycocotools import mask as run_lengths

    if isinstance(mask, list) or isinstance(mask['counts'], list):
        mask = run_lengths.frPyObjects(mask, image['height'], image['width'])
    if isinstance(mask, list):
        mask = run_lengths.merge(mask)
    return float(run_lengths.area(mask))


def is_learned(annotation: dict, image: dict) -> bool:
    """Whether mmdet's ``CocoDataset`` trains on an annotation."""
    x, y, width, height = annotation['bbox']
    return not (
        annotation.get('ignore')
        or annotation['iscrowd']
        or annotation['area'] <= 0
        or min(width, height) < 1
        or min(x + width, image['width']) <= max(x, 0)
        or min(y + height, image['height']) <= max(y, 0)
    )


def is_id(value: object) -> bool:
    """Whether an entry can be referred to by it."""
    return type(value) in (int, str)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore


def _name(annotation: dict) -> str:
    return f'annotation {annotation.get("id")}'


def _corners(box: list) -> list[float]:
    """A box ``x, y, width, height`` as a polygon."""
    x, y, width, height = box
    return [x, y, x + width, y, x + width, y + height, x, y + height]
