"""The study's subsets of Oxford-IIIT Pet, as classes and as dense labels."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SHORT_SIDE = 256
#: Values of the label maps, 0 being background and 255 the border.
BREEDS = dict(Abyssinian=1, Bengal=2, american_bulldog=3)


def build_pets(source: Path, out: Path, wanted: dict[str, str]) -> None:
    """Resize the pictures, and the trimaps into label maps.

    Args:
        source: With ``images`` and ``annotations/trimaps``.
        out: Folder to fill.
        wanted: What to make, ``SPLIT/BREED/NAME.jpg`` and
            ``label_maps/SPLIT/BREED/NAME.png``.

    Raises:
        FileNotFoundError: If the source lacks one.
    """
    for name in wanted:
        _build(source, out / name)


def build_pets_dense(source: Path, out: Path, wanted: dict[str, str]) -> None:
    """The same pictures, in the layouts of segmentation and detection.

    Args:
        source: See :func:`build_pets`.
        out: Folder to fill.
        wanted: What to make, ``img_dir/SPLIT/NAME.jpg``,
            ``ann_dir/SPLIT/NAME.png`` and
            ``annotations/instances_SPLIT.json``, which has a picture's
            animal as one instance.

    Raises:
        FileNotFoundError: If the source lacks one.
        ModuleNotFoundError: Without pycocotools.
    """
    # Before the pictures, which take a while.
    if importlib.util.find_spec('pycocotools') is None:
        raise ModuleNotFoundError(
            "run lengths are pycocotools': pip install pycocotools"
        )
    files = [name for name in wanted if not name.endswith('.json')]
    for name in files:
        _build(source, out / name)
    for name in wanted.keys() - files:
        split = name.removesuffix('.json').rpartition('_')[2]
        maps = sorted((out / 'ann_dir' / split).glob('*.png'))
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(json.dumps(_instances(maps)))


def _build(source: Path, target: Path) -> None:
    """A picture, or the label map of one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == '.jpg':
        with Image.open(source / 'images' / target.name) as image:
            picture = resize(image.convert('RGB'), Image.Resampling.BICUBIC)
        picture.save(target, quality=90)
        return
    with Image.open(source / 'annotations/trimaps' / target.name) as image:
        trimap = np.asarray(resize(image, Image.Resampling.NEAREST))
    label_map = np.choose(trimap - 1, [BREEDS[breed_of(target)], 0, 255])
    Image.fromarray(label_map.astype(np.uint8)).save(target, optimize=True)


def breed_of(path: Path) -> str:
    """``Bengal`` of ``Bengal_12.png``."""
    return path.stem.rpartition('_')[0]


def resize(image: Image.Image, how: Image.Resampling) -> Image.Image:
    """Bring the short side down to ``SHORT_SIDE`` pixels."""
    factor = min(1, SHORT_SIDE / min(image.size))
    size = [round(side * factor) for side in image.size]
    return image.resize((size[0], size[1]), how)


def _instances(maps: list[Path]) -> dict[str, Any]:
    """A COCO file of label maps, each with one animal or with none."""
    from pycocotools import mask as masks

    images, annotations = [], []
    for number, path in enumerate(maps, 1):
        breed = BREEDS[breed_of(path)]
        with Image.open(path) as image:
            width, height = image.size
            animal = np.asfortranarray(np.asarray(image) == breed)
        images.append(
            dict(
                id=number,
                file_name=f'{path.stem}.jpg',
                width=width,
                height=height,
            )
        )
        if not animal.any():
            # One trimap has nothing but background and border.
            continue
        code = masks.encode(animal.view(np.uint8))
        annotations.append(
            dict(
                id=len(annotations) + 1,
                image_id=number,
                category_id=breed,
                bbox=masks.toBbox(code).tolist(),
                area=float(masks.area(code)),
                iscrowd=0,
                segmentation=dict(
                    size=code['size'], counts=code['counts'].decode()
                ),
            )
        )
    about = 'Oxford-IIIT Pet, 3 breeds; one instance per image from the trimap'
    return dict(
        info=dict(description=about),
        licenses=[],
        images=images,
        annotations=annotations,
        categories=[dict(id=i, name=name) for name, i in BREEDS.items()],
    )
