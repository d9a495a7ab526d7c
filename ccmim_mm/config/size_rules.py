"""What a config's numbers become when its pictures change their size."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..config_parts import kind_of_part
from ..grids import Size, as_pair, as_size, in_words

#: Transforms that take width before height.
_WIDTH_FIRST = ('CenterCrop', 'Resize', 'RandomResize')
#: Width over height of random crops, by mmpretrain's default.
_ASPECTS = (3 / 4, 4 / 3)

#: A value of a config -> what it becomes.
Rule = Callable[[Any], Any]


class Grid(NamedTuple):
    """Pictures in square patches.

    Attributes:
        size: Height and width of a picture, in pixels.
        patch: Side of a patch, in pixels; None where there are none.
    """

    size: tuple[int, int]
    patch: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        height, width = self.size
        return height // (self.patch or height), width // (self.patch or width)

    @property
    def patches(self) -> int:
        """Patches of a picture."""
        return math.prod(self.shape)

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.size[1] / self.size[0]

    def __str__(self) -> str:
        pixels = f'{in_words(self.size)} pixels'
        if self.patch is None:
            return pixels
        return f'{pixels} in {self.patches} patches of {self.patch}'


def apply(part: dict, rules: dict[str, Rule]) -> None:
    """Change what a part has of what there are rules for."""
    for key in rules.keys() & part.keys():
        if part[key] is not None:
            part[key] = rules[key](part[key])


def keep_proportions(transform: dict, old: Grid, new: Grid) -> None:
    """Have random crops of the pictures' proportions, give or take."""
    if is_random_crop(transform) and old.aspect != new.aspect:
        aspects = transform.get('aspect_ratio_range', _ASPECTS)
        change = new.aspect / old.aspect
        transform['aspect_ratio_range'] = tuple(a * change for a in aspects)
    if kind_of_part(transform) == 'ResizeEdge' and not isinstance(
        transform['scale'], int
    ):
        # The one that covers two sides.
        transform['type'] = 'CappedResizeEdge'


def of_pipelines(old: Grid, new: Grid, transform: dict) -> dict[str, Rule]:
    """What becomes of a transform's arguments."""
    scale = partial(_scale_sides, old=old, new=new, transform=transform)
    share = partial(_share, was=old.patches, now=new.patches)
    grids = (as_size(grid.shape) for grid in (old, new))
    return dict.fromkeys(('scale', 'scales', 'crop_size'), scale) | dict(
        num_patches=partial(_replace, was=old.patches, now=new.patches),
        grid=partial(
            _replace, **dict(zip(('was', 'now'), grids, strict=True))
        ),
        min_block=share,
    )


def of_models(old: Grid, new: Grid, name: str) -> dict[str, Rule]:
    """What becomes of a part's arguments, by the key that it lies under."""
    size = partial(_replace, was=as_size(old.size), now=as_size(new.size))
    scale = partial(_scale, was=old.size[0], now=new.size[0])
    rules: dict[str, Rule] = dict(img_size=size, pad_size_divisor=size)
    if name == 'test_cfg':
        rules |= dict(crop_size=scale, stride=scale)
    if name == 'data_preprocessor':
        rules |= dict(size=scale)
    if new.patch is None:
        return rules
    strides = partial(_stride, was=old.patch or 1, now=new.patch)
    if name == 'anchor_generator':
        rules |= dict(strides=strides)
    return rules | dict(
        patch_size=partial(_replace, was=old.patch, now=new.patch),
        num_patches=partial(_replace, was=_patches(old), now=_patches(new)),
        align_patches=partial(_share, was=old.patches, now=new.patches),
        featmap_strides=strides,
    )


def _patches(grid: Grid) -> Size:
    """As a decoder takes them: their number, or rows and columns."""
    rows, columns = grid.shape
    return rows**2 if rows == columns else (rows, columns)


def _replace(value: Any, was: Any, now: Any) -> Any:
    """What is of the config's size; what is of another stays."""
    value = tuple(value) if isinstance(value, list) else value
    return now if value == was else value


def _share(value: int, was: int, now: int) -> int:
    return max(1, round(value * now / was))


def _scale_sides(value: Any, old: Grid, new: Grid, transform: dict) -> Any:
    """Pixels of a transform, in proportion; one side, or two of them."""
    square = [grid.size[0] == grid.size[1] for grid in (old, new)]
    if all(square) or not (type(value) is int or is_size(value)):
        return _scale(value, old.size[0], new.size[0])
    sides = as_pair(value)
    if is_size(value):
        sides = height_first(transform, value)
    scaled = tuple(
        round(side * now / was)
        for side, was, now in zip(sides, old.size, new.size, strict=True)
    )
    return as_size(height_first(transform, scaled))


def _scale(value: Any, was: int, now: int) -> Any:
    """Whole numbers, which are pixels; others are ratios."""
    if isinstance(value, list | tuple):
        if any(isinstance(v, float) for v in value):
            return value
        return type(value)(_scale(v, was, now) for v in value)
    return round(value * now / was) if type(value) is int else value


def _stride(value: Any, was: int, now: int) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_stride(v, was, now) for v in value)
    if value * now % was:
        raise ValueError(
            f'--patch-size {now}: strides of {value} pixels for patches of '
            f'{was} would be no whole numbers: take a multiple of '
            f'{was // math.gcd(was, value)}'
        )
    return value * now // was


def is_size(value: Any) -> bool:
    """Whether a value is two whole numbers."""
    sides = value if isinstance(value, list | tuple) else ()
    return len(sides) == 2 and all(type(side) is int for side in sides)


def is_random_crop(part: dict) -> bool:
    """Whether a transform crops at random and resizes."""
    return kind_of_part(part).endswith('ResizedCrop')


def height_first(part: dict, sides: Any) -> tuple[int, int]:
    """A transform's height and width, or the way back."""
    first, second = sides
    return (
        (second, first)
        if kind_of_part(part) in _WIDTH_FIRST
        else (first, second)
    )
