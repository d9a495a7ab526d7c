"""A config for pictures and patches of another size, in all its parts."""

import inspect
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS

from ..config_parts import class_of_part, kind_of_part, named
from ..datasets.data_root import leaf
from ..grids import Size, as_pair, as_size
from .checks import check_whole
from .fit_masks import fit_masks
from .size_rules import (
    Grid,
    apply,
    height_first,
    is_random_crop,
    is_size,
    keep_proportions,
    of_models,
    of_pipelines,
)

#: What the classes of parts know by themselves, where a config leaves it out.
_DEFAULTS = ('img_size', 'patch_size', 'num_patches')


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
        apply(transform, of_pipelines(old, new, transform))
        keep_proportions(transform, old, new)
    for name, part in named(cfg.model, 'model'):
        apply(part, of_models(old, new, name))
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
                kind = class_of_part(part, found)
                known = {} if kind is None else _defaults(kind)
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


def _defaults(kind: type) -> dict[str, Any]:
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
            if is_size(sides) and (sides[0] == sides[1] or _is_ours(part)):
                return height_first(part, sides)
    return None


def _is_ours(part: dict) -> bool:
    """Whether a transform's crop is what the model sees."""
    return kind_of_part(part) in (
        'CenterCrop',
        'RandomCrop',
    ) or is_random_crop(part)


def _check(cfg: Config, old: Grid, new: Grid, patch_size: int | None) -> None:
    """Refuse what cannot be, naming what can."""
    if old.patch is None and patch_size is not None:
        raise ValueError(
            '--patch-size: the encoder of this config has no patches: leave '
            'it out'
        )
    for name, values in (('img', new.size), ('patch', (new.patch,))):
        for value in values:
            if value is not None:
                check_whole(f'{name}-size', value)
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
