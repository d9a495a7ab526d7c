"""Write the demo data set in the formats that real data sets use.

Class folders (ImageNet), instance annotations (COCO) and label maps (semantic
segmentation), all from the same generated scenes.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .scenes import SHAPES, Scene, compose_scene
from .textures import GROUNDS, PHOTOS, SPLITS

_MANIFEST = 'demo_manifest.json'
# To be raised whenever the same parameters give other files.
_VERSION = 3
_MINIMA = dict(num_train=6, num_val=6, size=32, seed=0, workers=1)

_README = """\
Generated toy data, made to check that the machinery runs end to end.
It is NOT a benchmark: scores on it say nothing about scores on real data.

Every picture shows one to three objects of one shape on a ground. The ground
is the class of the picture, the shape that of its objects. Both are cuts from
the photographs below, scaled, turned, flipped and changed in contrast,
brightness and tint. Training pictures use the left 60 % of each photograph,
validation pictures the rest.

train/<ground>/, val/<ground>/   pictures in class folders (JPEG)
annotations/                     COCO instances (run-length encoded masks)
label_maps/, classes.txt         0 = background, 1 to {last} = {classes}

Photographs, with origin and licence as the packages that bundle them state
(scikit-image: documentation of skimage.data; scikit-learn: README.txt in
sklearn/datasets/images). Pictures made from a photograph under CC BY 2.0
(https://creativecommons.org/licenses/by/2.0/) are modified versions of it.

{photos}
"""


def generate_demo(
    out_dir: str | Path,
    num_train: int = 2000,
    num_val: int = 500,
    size: int = 96,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Generate the demo data set, or return it if it is already there.

    The result does not depend on ``workers``. The folder appears under its
    final name only when it is complete.

    Args:
        out_dir: Folder to make; its parents are made as needed.
        num_train: Number of training scenes, at least 6.
        num_val: Number of validation scenes, at least 6.
        size: Side of the pictures in pixels, at least 32.
        seed: Seed of the whole data set, at least 0.
        workers: Number of processes, at least 1; None: one per CPU core.

    Returns:
        Path of the complete folder.

    Raises:
        ValueError: If a number is below its minimum.
        FileExistsError: If ``out_dir`` exists and is anything else.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    numbers = dict(num_train=num_train, num_val=num_val, size=size, seed=seed)
    for name, value in dict(numbers, workers=workers).items():
        if value < (minimum := _MINIMA[name]):
            raise ValueError(f'{name} must be >= {minimum}, got {value}')
    manifest = dict(generator='ccmim_mm demo', version=_VERSION, **numbers)
    out = Path(out_dir)
    if not _is_made(out, manifest):
        _make(out, manifest, workers)
    return out


def _is_made(out: Path, manifest: dict[str, Any]) -> bool:
    """Whether the folder is there; refuses one that is something else."""
    if not out.exists():
        return False
    try:
        found = json.loads((out / _MANIFEST).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        found = None
    if found != manifest:
        origin = (
            'was not made by the demo generator'
            if found is None
            else f'was made with other parameters: {found}'
        )
        raise FileExistsError(
            f'{out} exists and {origin}; it is left untouched: choose another '
            'folder, or delete this one first'
        )
    return True


def _make(out: Path, manifest: dict[str, Any], workers: int) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f'.{out.name}-', dir=out.parent
    ) as holder:
        # One level down, as the temporary folder itself is private to the
        # user and a rename would keep it so.
        part = Path(holder) / out.name
        _write_all(part, manifest, workers)
        try:
            part.rename(out)
        except OSError:
            # Another process may have completed the same folder meanwhile.
            if not _is_made(out, manifest):
                raise


def _write_all(root: Path, manifest: dict[str, Any], workers: int) -> None:
    for split in SPLITS:
        for name in GROUNDS:
            (root / split / name).mkdir(parents=True)
            (root / 'label_maps' / split / name).mkdir(parents=True)
    (root / 'annotations').mkdir()
    # OpenCV's threads do not survive a fork, and one process per core is
    # already running.
    with ProcessPoolExecutor(
        workers, initializer=cv2.setNumThreads, initargs=(0,)
    ) as pool:
        for split in SPLITS:
            write = partial(
                _write_scene, root, split, manifest['seed'], manifest['size']
            )
            records = pool.map(
                write, range(manifest[f'num_{split}']), chunksize=16
            )
            path = root / 'annotations' / f'instances_{split}.json'
            _write_json(path, _coco(records))
    photos = '\n'.join(f'{p.package}/{p.path}: {p.licence}' for p in PHOTOS)
    readme = _README.format(
        last=len(SHAPES), classes=', '.join(SHAPES), photos=photos
    )
    (root / 'README.txt').write_text(readme, encoding='utf-8')
    names = '\n'.join(['background', *SHAPES])
    (root / 'classes.txt').write_text(f'{names}\n', encoding='utf-8')
    _write_json(root / _MANIFEST, manifest)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content) + '\n', encoding='utf-8')


def _write_scene(
    root: Path, split: str, seed: int, size: int, index: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write picture and label map; return COCO image and annotations."""
    scene = compose_scene(split, index, seed, size)
    name = f'{scene.ground}/{split}_{index:06d}'
    category = SHAPES.index(scene.shape) + 1
    label_map = np.where(scene.masks.any(0), category, 0).astype(np.uint8)
    _write_picture(
        root / split / f'{name}.jpg',
        scene.image[..., ::-1],
        [cv2.IMWRITE_JPEG_QUALITY, 95],
    )
    _write_picture(root / 'label_maps' / split / f'{name}.png', label_map, [])
    image = dict(
        id=index + 1, file_name=f'{name}.jpg', width=size, height=size
    )
    return image, _annotations(scene, index + 1, category)


def _write_picture(path: Path, pixels: np.ndarray, options: list[int]) -> None:
    # imwrite reports no full disk, and crashes on names that are not UTF-8.
    encoded = cv2.imencode(path.suffix, pixels, options)[1]
    path.write_bytes(encoded.tobytes())


def _annotations(
    scene: Scene, image_id: int, category: int
) -> list[dict[str, Any]]:
    """COCO annotations of a scene, without their ids."""
    found = []
    for mask in scene.masks:
        rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
        x, y = int(columns[0]), int(rows[0])
        bbox = [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]
        found.append(
            dict(
                image_id=image_id,
                category_id=category,
                bbox=bbox,
                area=int(mask.sum()),
                iscrowd=0,
                segmentation=dict(size=list(mask.shape), counts=_runs(mask)),
            )
        )
    return found


def _runs(mask: np.ndarray) -> list[int]:
    """COCO run lengths of a mask: column by column, zeros first."""
    # The leading 0 makes the first change the end of a run of zeros, of
    # length 0 if the mask starts with a one.
    flat = np.concatenate([[0], mask.ravel(order='F')])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(changes, prepend=0, append=mask.size).tolist()


def _coco(
    records: Iterable[tuple[dict[str, Any], list[dict[str, Any]]]],
) -> dict[str, Any]:
    """Collect the records of a split, numbering the annotations from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, found in records:
        images.append(image)
        annotations += [
            dict(id=number, **annotation)
            for number, annotation in enumerate(found, len(annotations) + 1)
        ]
    categories = [
        dict(id=number, name=shape, supercategory='shape')
        for number, shape in enumerate(SHAPES, 1)
    ]
    return dict(
        info=dict(description='ccmim_mm demo data, a generated toy'),
        images=images,
        annotations=annotations,
        categories=categories,
    )
