"""Compose one demo scene: textured shapes over a textured ground.

A scene is a pure function of ``(split, index, seed, size)``. Its ground is the
class of the picture, cut from another part of the ground's photograph in each
split. The objects on it have one shape, which is their class; nothing else
about them (texture, colour, number, place, area) is meant to tell it, and
nothing about them the ground.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.random import Generator

from .textures import GROUNDS, PHOTOS, SPLITS, cut_texture, load_regions

SHAPES: tuple[str, ...] = (
    'circle',
    'cross',
    'ring',
    'square',
    'star',
    'triangle',
)

# Range of the equal-area radius, as a share of the picture's side, by the
# number of objects: more objects have to be smaller to stay visible.
_RADIUS_RANGE = {1: (0.24, 0.32), 2: (0.19, 0.24), 3: (0.16, 0.19)}
_OVERSAMPLING = 4
# Mean brightness: objects are nearly always lighter than what is behind.
_GROUND_LIGHT = (60.0, 120.0)
_OBJECT_LIGHT = (150.0, 220.0)
_LAYOUT_TRIALS = 256


@dataclass(frozen=True)
class Scene:
    """One composed picture with its exact labels.

    Attributes:
        ground: What is behind the objects, one of ``GROUNDS``.
        shape: Name of the only shape in the picture, one of ``SHAPES``.
        image: Picture, (size, size, 3) uint8, RGB.
        masks: Visible pixels of each object, (n, size, size) bool with
            n from 1 to 3; the masks are disjoint.
    """

    ground: str
    shape: str
    image: np.ndarray
    masks: np.ndarray


@cache
def unit_contours(shape: str) -> tuple[np.ndarray, ...]:
    """Outline of a shape whose area equals that of the unit circle.

    Equal areas keep the size of an object from giving its class away.

    Args:
        shape: One of ``SHAPES``.

    Returns:
        Outer contour and, for the ring, its hole; (points, 2) float64 each,
        as x and y around the origin in units of the equal-area radius.
    """
    hole_share = 0.0
    if shape == 'cross':
        arm = np.array([(1, -0.32), (1, 0.32), (0.32, 0.32)])
        quarter = np.array([(0, 1), (-1, 0)])
        outer = np.concatenate(
            [arm @ np.linalg.matrix_power(quarter, k) for k in range(4)]
        )
    elif shape == 'star':
        outer = _polar(np.tile([1.0, 0.45], 5))
    else:
        corners = {'triangle': 3, 'square': 4, 'circle': 64, 'ring': 64}
        outer = _polar(np.ones(corners[shape]))
        hole_share = 0.55 if shape == 'ring' else 0.0
    x, y = outer.T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    outer = outer * np.sqrt(np.pi / (area * (1 - hole_share**2)))
    return (outer, outer * hole_share) if hole_share else (outer,)


def _polar(radii: np.ndarray) -> np.ndarray:
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def shape_alpha(
    shape: str, centre: np.ndarray, radius: float, angle: float, size: int
) -> np.ndarray:
    """Draw one shape with antialiased edges.

    Args:
        shape: One of ``SHAPES``.
        centre: x and y of the centre in pixels, (2,).
        radius: Equal-area radius in pixels.
        angle: Rotation in radians.
        size: Side of the picture in pixels.

    Returns:
        Coverage of each pixel, (size, size) float32 in [0, 1].
    """
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([(cos, sin), (-sin, cos)]) * radius
    # fillPoly takes fixed-point coordinates of pixel centres: 4 fraction bits.
    contours = [
        np.round(((points @ turn + centre) * _OVERSAMPLING - 0.5) * 16).astype(
            np.int32
        )
        for points in unit_contours(shape)
    ]
    canvas = np.zeros((size * _OVERSAMPLING,) * 2, np.uint8)
    cv2.fillPoly(canvas, contours, 255, shift=4)
    alpha = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return alpha.astype(np.float32) / 255


def compose_scene(split: str, index: int, seed: int, size: int) -> Scene:
    """Compose scene ``index`` of a split.

    Args:
        split: ``'train'`` or ``'val'``.
        index: Number of the scene, from 0; its ground is number
            ``index % 6``.
        seed: Seed of the whole data set, from 0.
        size: Side of the picture in pixels.

    Returns:
        The scene, equal for equal arguments.
    """
    rng = np.random.default_rng(
        np.random.SeedSequence((seed, SPLITS.index(split), index))
    )
    ground = [*GROUNDS][index % len(GROUNDS)]
    regions = list(load_regions(split))
    behind = regions.pop([p.path for p in PHOTOS].index(GROUNDS[ground]))
    shape = SHAPES[rng.integers(len(SHAPES))]
    image = cut_texture(rng, behind, size, _GROUND_LIGHT)
    centres, radii = _layout(rng, size)
    owner = np.zeros((size, size), np.uint8)
    for number, (centre, radius) in enumerate(
        zip(centres, radii, strict=True), 1
    ):
        alpha = shape_alpha(
            shape, centre, radius, rng.uniform(-np.pi, np.pi), size
        )
        region = regions[rng.integers(len(regions))]
        texture = cut_texture(rng, region, size, _OBJECT_LIGHT)
        image = image + alpha[..., None] * (texture - image)
        owner[alpha >= 0.5] = number
    masks = owner == np.arange(1, len(radii) + 1)[:, None, None]
    pixels = np.round(image).astype(np.uint8)
    return Scene(ground, shape, pixels, masks)


def _layout(rng: Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw centres (n, 2) and equal-area radii (n,), in pixels.

    The rules see radii only, never the shape, so that number, place and size
    of the objects say nothing about the class.
    """
    count = int(rng.integers(1, 4))
    radii = rng.uniform(*_RADIUS_RANGE[count], count) * size
    margin = 1.3 * radii[:, None]
    centres = rng.uniform(margin, size - margin, (_LAYOUT_TRIALS, count, 2))
    first, second = np.triu_indices(count, 1)
    gaps = np.linalg.norm(centres[:, first] - centres[:, second], axis=-1)
    slack = (gaps - 1.2 * (radii[first] + radii[second])).min(
        axis=1, initial=0
    )
    # argmax takes the first layout without overlap, or else the best one.
    return centres[slack.argmax()], radii
