"""A config for pictures and patches of another size, in all its parts."""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import MODELS

from ..datasets.data_root import leaf
from ..grids import Size, as_pair, as_size, in_words
from .config_parts import kind_of_part, named
from .fit_masks import fit_masks

#: What the classes of parts know by themselves, where a config leaves it out.
_DEFAULTS = ('img_size', 'patch_size', 'num_patches')

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


def set_picture_size(
    cfg: Config, img_size: Size | None = None, patch_size: int | None = None
) -> str:
    """Have a config train and judge with another size, in all its parts.

    In the model what is of the config's own size becomes of the new one:
    pictures, patches, their number, a detector's strides and padding, a
    segmentor's windows. In the pipelines of all data sets crops and resizes
    keep their ratio to it (256 before a crop of 224), masks' grids are the
    model's, and numbers of patches (``min_block``, ``align_patches``) the
    same share; random crops have the pictures' proportions on average. A
    sampler hides as many patches as masks' shapes have.

    Args:
        cfg: The config, changed in place.
        img_size: Side of square pictures, or height and width, in pixels;
            None keeps it.
        patch_size: Side of a patch, in pixels; likewise.

    Returns:
        What it is and was, for people.

    Raises:
        ValueError: If the config does not tell its size, the encoder has no
            patches, the patches do not divide the pictures, or masks or
            strides do not come out even; naming what would.
    """
    old = _fill_in(cfg)
    new = Grid(
        old.size if img_size is None else _sides(img_size),
        old.patch if patch_size is None else patch_size,
    )
    _check(cfg, old, new, patch_size)
    transforms = {
        id(transform): transform
        for _, holder in named(dict(cfg.items()))
        for key, value in holder.items()
        if str(key).endswith('pipeline')
        for _, transform in named(value)
    }
    for transform in transforms.values():
        _apply(transform, _of_pipelines(old, new, transform))
        _keep_proportions(transform, old, new)
    for name, part in named(cfg.model, 'model'):
        _apply(part, _of_models(old, new, name))
    masks = fit_masks(cfg, new.shape, new.patch) if new.patch else ''
    return f'{new}, where the config has {old}{masks}'


def _fill_in(cfg: Config) -> Grid:
    """The size that a config is for, written where it is a default.

    Raises:
        ValueError: If it has none or several.
    """
    with MODELS.switch_scope_and_registry(cfg.get('default_scope')) as found:
        for name in ('backbone', 'neck', 'head'):
            part = cfg.model.get(name)
            if isinstance(part, dict) and 'type' in part:
                kind = part['type']
                kind = found.get(kind) if isinstance(kind, str) else kind
                known = _defaults(kind) if inspect.isclass(kind) else {}
                for key in _DEFAULTS:
                    if known.get(key) is not None:
                        part.setdefault(key, known[key])
    backbone = cfg.model.backbone
    crop = _crop(leaf(cfg, 'train').pipeline)
    size = backbone.get('img_size', crop)
    if size is None or crop is None or as_pair(size) != crop:
        raise ValueError(
            f'--img-size, --patch-size: model.backbone.img_size is '
            f'{backbone.get("img_size")}, and the training pictures are '
            f'cropped to {crop and as_size(crop)}: set both to one size, in '
            'the config'
        )
    return Grid(crop, backbone.get('patch_size'))


def _sides(img_size: Size) -> tuple[int, int]:
    """Height and width as given, or what will be refused."""
    if isinstance(img_size, tuple | list) and len(img_size) == 2:
        return img_size[0], img_size[1]
    return img_size, img_size  # type: ignore[return-value]


def _defaults(kind: Any) -> dict[str, Any]:
    """Defaults of a class's arguments, its parents' too."""
    return {
        name: parameter.default
        for parent in reversed(inspect.getmro(kind))
        for name, parameter in inspect.signature(parent).parameters.items()
        if parameter.default is not parameter.empty
    }


def _crop(pipeline: Any) -> tuple[int, int] | None:
    """Height and width of what a pipeline crops to; None if none tells."""
    parts = [transform for _, transform in named(pipeline)]
    for key in ('crop_size', 'scale'):
        for part in parts:
            sides: Any = part.get(key)
            if type(sides) is int:
                return sides, sides
            if _is_size(sides) and (sides[0] == sides[1] or _is_ours(part)):
                return _height_first(part, sides)
    return None


def _is_size(value: Any) -> bool:
    sides = value if isinstance(value, list | tuple) else ()
    return len(sides) == 2 and all(type(side) is int for side in sides)


def _is_ours(part: dict) -> bool:
    """Whether a transform's crop is what the model sees."""
    return kind_of_part(part) in ('CenterCrop', 'RandomCrop') or _is_crop(part)


def _is_crop(part: dict) -> bool:
    """Whether a transform crops at random and resizes."""
    return kind_of_part(part).endswith('ResizedCrop')


def _height_first(part: dict, sides: Any) -> tuple[int, int]:
    """A transform's height and width, or the way back."""
    first, second = sides
    return (
        (second, first)
        if kind_of_part(part) in _WIDTH_FIRST
        else (first, second)
    )


def _check(cfg: Config, old: Grid, new: Grid, patch_size: int | None) -> None:
    """Refuse what cannot be, naming what can."""
    if old.patch is None and patch_size is not None:
        raise ValueError(
            '--patch-size: the encoder of this config has no patches: leave '
            'it out'
        )
    for name, values in (('img', new.size), ('patch', (new.patch,))):
        for value in values:
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f'--{name}-size is {value!r}: give 1 or more')
    dense = cfg.get('default_scope') in ('mmdet', 'mmseg')
    if dense and new.size[0] != new.size[1]:
        raise ValueError(
            f'--img-size {_option(new.size)}: detection and segmentation crop '
            'squares out of pictures of any shape: give one number'
        )
    if new.patch is not None and any(side % new.patch for side in new.size):
        below, above = (
            [max(side // new.patch + more, 1) * new.patch for side in new.size]
            for more in (0, 1)
        )
        sizes = dict.fromkeys(_option(s) for s in (below, above))
        raise ValueError(
            f'patches of {new.patch} pixels do not divide pictures of '
            f'{_option(new.size)}: --img-size {" or ".join(sizes)}, or '
            'another --patch-size'
        )


def _option(size: Sequence[int]) -> str:
    """A size as ``--img-size`` takes it."""
    return 'x'.join(
        map(str, dict.fromkeys(size) if size[0] == size[1] else size)
    )


def _apply(part: dict, rules: dict[str, Rule]) -> None:
    for key in rules.keys() & part.keys():
        if part[key] is not None:
            part[key] = rules[key](part[key])


def _keep_proportions(transform: dict, old: Grid, new: Grid) -> None:
    """Have random crops of the pictures' proportions, give or take."""
    if _is_crop(transform) and old.aspect != new.aspect:
        aspects = transform.get('aspect_ratio_range', _ASPECTS)
        change = new.aspect / old.aspect
        transform['aspect_ratio_range'] = tuple(a * change for a in aspects)
    if kind_of_part(transform) == 'ResizeEdge' and not isinstance(
        transform['scale'], int
    ):
        # The one that covers two sides.
        transform['type'] = 'CappedResizeEdge'


def _of_pipelines(old: Grid, new: Grid, transform: dict) -> dict[str, Rule]:
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


def _of_models(old: Grid, new: Grid, name: str) -> dict[str, Rule]:
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
    if all(square) or not (type(value) is int or _is_size(value)):
        return _scale(value, old.size[0], new.size[0])
    sides = as_pair(value)
    if _is_size(value):
        sides = _height_first(transform, value)
    scaled = tuple(
        round(side * now / was)
        for side, was, now in zip(sides, old.size, new.size, strict=True)
    )
    return as_size(_height_first(transform, scaled))


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
