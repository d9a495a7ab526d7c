"""The study's blood cells: BCCD's pictures, and its boxes as COCO files."""

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CELLS = dict(RBC=1, WBC=2, Platelets=3)


def build_cells(source: Path, out: Path, wanted: dict[str, str]) -> None:
    """Copy the pictures, and write their boxes as COCO files.

    Args:
        source: With ``JPEGImages``, ``Annotations`` and
            ``ImageSets/Main/SPLIT.txt``.
        out: Folder to fill.
        wanted: What to make, ``images/NAME.jpg`` and
            ``annotations/instances_SPLIT.json``.

    Raises:
        FileNotFoundError: If the source lacks one.
        ValueError: If an annotation is none of BCCD's.
    """
    pictures = sorted(name for name in wanted if name.endswith('.jpg'))
    (out / 'images').mkdir(parents=True, exist_ok=True)
    (out / 'annotations').mkdir(exist_ok=True)
    for name in pictures:
        shutil.copyfile(source / 'JPEGImages' / Path(name).name, out / name)
    stems = [Path(name).stem for name in pictures]
    for name in wanted.keys() - pictures:
        split = name.removesuffix('.json').rpartition('_')[2]
        listed = (source / f'ImageSets/Main/{split}.txt').read_text().split()
        numbers = {stems.index(stem) + 1: stem for stem in sorted(listed)}
        try:
            found = _boxes(source / 'Annotations', numbers)
        except (ElementTree.ParseError, KeyError, ValueError) as error:
            raise ValueError(
                f"{source}/Annotations holds what is none of BCCD's "
                f'({error}): give its folder BCCD as published'
            ) from error
        (out / name).write_text(json.dumps(found, separators=(',', ':')))


def _boxes(folder: Path, numbers: dict[int, str]) -> dict[str, Any]:
    """A COCO file of Pascal VOC's files.

    Args:
        folder: Of a file a picture.
        numbers: The pictures' stems by their ids.
    """
    images, annotations = [], []
    for number, stem in numbers.items():
        root = ElementTree.parse(folder / f'{stem}.xml').getroot()
        width, height = _numbers(root.find('size'), 'width', 'height')
        images.append(
            dict(
                id=number,
                file_name=f'{stem}.jpg',
                width=width,
                height=height,
            )
        )
        for thing in root.iter('object'):
            left, top, right, bottom = _numbers(
                thing.find('bndbox'), 'xmin', 'ymin', 'xmax', 'ymax'
            )
            box = [left, top, right - left, bottom - top]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=CELLS[thing.findtext('name', '')],
                    bbox=[float(side) for side in box],
                    area=float(box[2] * box[3]),
                    iscrowd=0,
                )
            )
    return dict(
        info=dict(description='BCCD blood cells'),
        licenses=[],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=i, name=name, supercategory='')
            for name, i in CELLS.items()
        ],
    )


def _numbers(
    element: ElementTree.Element | None, *names: str
) -> tuple[int, ...]:
    """Whole numbers that lie within an element."""
    if element is None:
        raise ValueError('no file of Pascal VOC: no size or box')
    return tuple(int(element.findtext(name, '')) for name in names)
