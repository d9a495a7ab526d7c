"""Textures for the demo data: cuts from photographs that wheels bundle.

The photographs come with scikit-image and scikit-learn; nothing is
downloaded.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

SPLITS: tuple[str, ...] = ('train', 'val')

_TRAIN_SHARE = 0.6

# Side of a cut, as a share of the picture's: near 1, so that its grain, which
# is what tells one ground from another, is seen as it is.
_CUT_RANGE = (0.7, 1.4)


class Photo(NamedTuple):
    """One bundled photograph.

    Attributes:
        package: Importable name of the package that bundles it.
        path: File inside the package.
        licence: Origin and licence as the package states them.
    """

    package: str
    path: str
    licence: str


# Photographs of large round or square things (coins, retina, clock,
# checkerboard) are left out on purpose: they would put further shapes into
# the scenes.
PHOTOS: tuple[Photo, ...] = (
    Photo(
        'skimage',
        'data/astronaut.png',
        'NASA; no known copyright restrictions, public domain',
    ),
    Photo('skimage', 'data/brick.png', 'CC0Textures; CC0'),
    Photo('skimage', 'data/camera.png', 'Lav Varshney; CC0'),
    Photo('skimage', 'data/chelsea.png', 'Stefan van der Walt; CC0'),
    Photo('skimage', 'data/coffee.png', 'Rachel Michetti; CC0'),
    Photo('skimage', 'data/grass.png', 'linolafett on DeviantArt; CC0'),
    Photo('skimage', 'data/gravel.png', 'CC0Textures; CC0'),
    Photo(
        'skimage',
        'data/hubble_deep_field.jpg',
        'NASA; may be freely used in the public domain',
    ),
    Photo('skimage', 'data/ihc.png', 'CMMI; no known copyright restrictions'),
    Photo('skimage', 'data/rocket.jpg', 'SpaceX; public domain'),
    Photo(
        'sklearn',
        'datasets/images/china.jpg',
        'danielbuechele, https://www.flickr.com/photos/danielbuechele/'
        '6061409035; CC BY 2.0',
    ),
    Photo(
        'sklearn',
        'datasets/images/flower.jpg',
        'vultilion, https://www.flickr.com/photos/vultilion/6056698931; '
        'CC BY 2.0',
    ),
)


#: What the ground of a scene is, and the photograph that each is cut from;
#: alphabetical, so that a class's number is what data sets derive from sorted
#: folders.
GROUNDS: dict[str, str] = {
    'brick': 'data/brick.png',
    'fur': 'data/chelsea.png',
    'grass': 'data/grass.png',
    'gravel': 'data/gravel.png',
    'stars': 'data/hubble_deep_field.jpg',
    'tissue': 'data/ihc.png',
}


def photo_columns(width: int, split: str) -> slice:
    """Columns of a photograph that a split may take its cuts from.

    Args:
        width: Width of the photograph in pixels.
        split: ``'train'`` (left 60 %) or ``'val'`` (the rest).

    Returns:
        Slice over the columns; the two splits are disjoint.

    Raises:
        ValueError: If the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be one of {SPLITS}, got {split!r}')
    border = round(width * _TRAIN_SHARE)
    return slice(0, border) if split == 'train' else slice(border, width)


@cache
def load_regions(split: str) -> tuple[np.ndarray, ...]:
    """Load the part of every photograph that belongs to a split.

    Args:
        split: ``'train'`` or ``'val'``.

    Returns:
        One (height, width, 3) uint8 RGB array per entry of ``PHOTOS``.

    Raises:
        ImportError: If a package that bundles photographs is missing.
        FileNotFoundError: If an installed package lacks a photograph.
    """
    regions = []
    for package, name, _ in PHOTOS:
        # The packages are located but not imported: only files are needed.
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ImportError(
                f'the demo data needs the photographs of {package!r}: '
                'run "pip install scikit-image scikit-learn"'
            )
        path = Path(spec.origin).parent / name
        photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if photo is None:
            raise FileNotFoundError(
                f'cannot read {path}: reinstall the package {package!r} '
                'from its wheel'
            )
        photo = photo[:, photo_columns(photo.shape[1], split), ::-1]
        regions.append(np.ascontiguousarray(photo))
    return tuple(regions)


def cut_texture(
    rng: Generator,
    region: np.ndarray,
    size: int,
    light: tuple[float, float],
) -> np.ndarray:
    """Cut a texture: random place, scale, turn, flip, contrast and tint.

    Args:
        rng: Source of randomness; it is advanced.
        region: Photograph to cut from, (height, width, 3) uint8.
        size: Side of the texture in pixels.
        light: Range that its mean brightness is drawn from, in [0, 255].

    Returns:
        Texture, (size, size, 3) float32 in [0, 255].
    """
    height, width = region.shape[:2]
    side = min(round(size * rng.uniform(*_CUT_RANGE)), height, width)
    top = rng.integers(height - side + 1)
    left = rng.integers(width - side + 1)
    window = region[top : top + side, left : left + side]
    window = np.rot90(window, int(rng.integers(4)))
    if rng.random() < 0.5:
        window = window[:, ::-1]
    texture = cv2.resize(
        np.ascontiguousarray(window),
        (size, size),
        interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC,
    ).astype(np.float32)
    mean = texture.mean(axis=(0, 1))
    contrast = rng.uniform(0.5, 0.9)
    tint = rng.uniform(0.85, 1.15, 3).astype(np.float32)
    # Half way to grey, so that dark photographs keep no colour cast.
    colour = (mean + mean.mean()) / (2 * max(mean.mean(), 1.0))
    texture = (texture - mean) * contrast + colour * tint * rng.uniform(*light)
    return np.clip(texture, 0, 255).astype(np.float32)
