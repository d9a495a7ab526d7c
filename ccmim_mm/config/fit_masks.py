"""Masks for a grid of patches that a config was not written for."""

import math

from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from ..config_parts import class_of_part, find_dicts
from ..datasets.data_root import leaf
from ..datasets.transforms import MaskShape
from ..grids import as_size, in_words
from ..models.task_modules import build_mask_sampler


def fit_masks(cfg: Config, grid: tuple[int, int], patch: int) -> str:
    """Have the sampler hide as many patches as masks' shapes have.

    Args:
        cfg: The config of a method, changed in place; nothing is done
            without a ``mask_sampler``.
        grid: Rows and columns of the pictures' patches.
        patch: Side of a patch, in pixels.

    Returns:
        What became of the sampler's ratio, for people; nothing if it is the
        same.

    Raises:
        ValueError: If there is no such mask, naming sizes that have one.
    """
    if cfg.model.get('mask_sampler') is None:
        return ''
    try:
        hidden, masked = _masks(cfg, grid)
    except ValueError as error:
        side = max(grid)
        sides = [s for s in range(1, 2 * side + 2) if _has_masks(cfg, s)]
        nearest = sorted(sides, key=lambda s: abs(s - side))[:2]
        if not nearest:
            raise
        sizes = ' or '.join(str(s * patch) for s in sorted(nearest))
        raise ValueError(
            f'a grid of {in_words(grid)} patches: {error}; --img-size {sizes} '
            'would do, or another --patch-size'
        ) from None
    if masked in (None, hidden):
        return ''
    # So that rounding cannot matter.
    ratio = round((masked - 0.5) / math.prod(grid), 6)
    cfg.model.mask_sampler.mask_ratio = ratio
    return (
        f'; model.mask_sampler.mask_ratio is {ratio}, for masks of {masked} '
        'patches'
    )


def _masks(cfg: Config, grid: tuple[int, int]) -> tuple[int, int | None]:
    """Patches of a grid that the sampler hides, and masks' shapes.

    Returns:
        How many; of the shapes None if the training pipeline has none.

    Raises:
        ValueError: If there is no such mask.
    """
    sampler = build_mask_sampler(cfg.model.mask_sampler)
    patches = math.prod(grid)
    visible = sampler.num_visible(patches)
    if visible < 1:
        raise ValueError(
            f'a mask ratio of {sampler.mask_ratio} leaves none visible'
        )
    masked = None
    scope = cfg.get('default_scope')
    with TRANSFORMS.switch_scope_and_registry(scope) as found:
        for transform in find_dicts(leaf(cfg, 'train').pipeline, 'grid'):
            kind = class_of_part(transform, found)
            if kind is not None and issubclass(kind, MaskShape):
                shape = dict(transform, grid=as_size(grid))
                masked = found.build(shape).num_masked
    return patches - visible, masked


def _has_masks(cfg: Config, side: int) -> bool:
    try:
        _masks(cfg, (side, side))
    except ValueError:
        return False
    return True
