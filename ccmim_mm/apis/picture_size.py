"""A config for pictures and patches of another size, in all its parts."""

import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import MODELS

from ..datasets.data_root import leaf
from .fit_masks import fit_masks

#: What the classes of parts know by themselves, where a config leaves it out.
_DEFAULTS = ('img_size', 'patch_size', 'num_patches')

#: A value of a config -> what it becomes.
Rule = Callable[[Any], Any]


class Grid(NamedTuple):
    """Square pictures in square patches.

    Attributes:
        size: Side of a picture, in pixels.
        patch: Side of a patch, in pixels; None where there are none.
    """

    size: int
    patch: int | None

    @property
    def side(self) -> int:
        """Patches along a side."""
        return self.size // (self.patch or self.size)

    @property
    def patches(self) -> int:
        """Patches of a picture."""
        return self.side**2

    def __str__(self) -> str:
        pixels = f'{self.size} x {self.size} pixels'
        if self.patch is None:
            return pixels
        return f'{pixels} in {self.patches} patches of {self.patch}'


def set_picture_size(
    cfg: Config, img_size: int | None = None, patch_size: int | None = None
) -> str:
    """Have a config train and judge with another size, in all its parts.

    In the model what is of the config's own size becomes of the new one:
    pictures, patches, their number, a detector's strides and padding, a
    segmentor's windows. In the pipelines of all data sets crops and resizes
    keep their ratio to it (256 before a crop of 224), masks' grids are the
    model's, and numbers of patches (``min_block``, ``align_patches``) the
    same share. A sampler hides as many patches as masks' shapes have.

    Args:
        cfg: The config, changed in place.
        img_size: Side of the pictures, in pixels; None keeps it.
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
        old.size if img_size is None else img_size,
        old.patch if patch_size is None else patch_size,
    )
    _check(old, new, patch_size)
    transforms = {
        id(transform): transform
        for _, holder in _named(dict(cfg.items()))
        for key, value in holder.items()
        if str(key).endswith('pipeline')
        for _, transform in _named(value)
    }
    for transform in transforms.values():
        _apply(transform, _of_pipelines(old, new))
    for name, part in _named(cfg.model, 'model'):
        _apply(part, _of_models(old, new, name))
    masks = fit_masks(cfg, new.side, new.patch) if new.patch else ''
    return f'{new}, where the config has {old}{masks}'


def _fill_in(cfg: Config) -> Grid:
    """The size that a config is for, written where it is a default.

    Raises:
        ValueError: If it has none, several, or no square.
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
    if type(size) is not int or size != crop:
        raise ValueError(
            f'--img-size, --patch-size: model.backbone.img_size is '
            f'{backbone.get("img_size")}, and the training pictures are '
            f'cropped to {crop}: set both to one number, in the config'
        )
    return Grid(size, backbone.get('patch_size'))


def _defaults(kind: Any) -> dict[str, Any]:
    """Defaults of a class's arguments, its parents' too."""
    return {
        name: parameter.default
        for parent in reversed(inspect.getmro(kind))
        for name, parameter in inspect.signature(parent).parameters.items()
        if parameter.default is not parameter.empty
    }


def _crop(pipeline: Any) -> int | None:
    """The side of what a pipeline crops to; None if it is no square."""
    parts = [transform for _, transform in _named(pipeline)]
    for key in ('crop_size', 'scale'):
        for part in parts:
            sides = part.get(key)
            if isinstance(sides, list | tuple) and len({*sides}) == 1:
                sides = sides[0]
            if type(sides) is int:
                return sides
    return None


def _check(old: Grid, new: Grid, patch_size: int | None) -> None:
    """Refuse what cannot be, naming what can."""
    if old.patch is None and patch_size is not None:
        raise ValueError(
            '--patch-size: the encoder of this config has no patches: leave '
            'it out'
        )
    for name, value in (('img', new.size), ('patch', new.patch)):
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f'--{name}-size is {value!r}: give 1 or more')
    if new.patch is not None and new.size % new.patch:
        below = new.size // new.patch * new.patch
        sizes = [s for s in (below, below + new.patch) if s]
        raise ValueError(
            f'patches of {new.patch} pixels do not divide pictures of '
            f'{new.size}: --img-size {" or ".join(map(str, sizes))}, or '
            'another --patch-size'
        )


def _named(part: Any, name: str = '') -> Iterator[tuple[str, dict]]:
    """Every dict of a config's part, and the key that it lies under."""
    if isinstance(part, dict):
        yield name, part
        for key, value in part.items():
            yield from _named(value, str(key))
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _named(value, name)


def _apply(part: dict, rules: dict[str, Rule]) -> None:
    for key in rules.keys() & part.keys():
        if part[key] is not None:
            part[key] = rules[key](part[key])


def _of_pipelines(old: Grid, new: Grid) -> dict[str, Rule]:
    """What becomes of a transform's arguments."""
    scale = partial(_scale, was=old.size, now=new.size)
    share = partial(_share, was=old.patches, now=new.patches)
    return dict.fromkeys(('scale', 'scales', 'crop_size'), scale) | dict(
        num_patches=partial(_replace, was=old.patches, now=new.patches),
        grid=partial(_replace, was=old.side, now=new.side),
        min_block=share,
    )


def _of_models(old: Grid, new: Grid, name: str) -> dict[str, Rule]:
    """What becomes of a part's arguments, by the key that it lies under."""
    size = partial(_replace, was=old.size, now=new.size)
    scale = partial(_scale, was=old.size, now=new.size)
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
        num_patches=partial(_replace, was=old.patches, now=new.patches),
        align_patches=partial(_share, was=old.patches, now=new.patches),
        featmap_strides=strides,
    )


def _replace(value: Any, was: Any, now: Any) -> Any:
    """What is of the config's size; what is of another stays."""
    return now if value == was else value


def _share(value: int, was: int, now: int) -> int:
    return max(1, round(value * now / was))


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
