"""Fixed tables of positions that are of another grid than they look like."""

import logging
import math
from typing import Any

from mmengine.logging import print_log
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from ..positions import grid_of_table
from .match import Policy
from .shapes import is_square


def fit_positions(
    target: nn.Module, state: dict[str, Tensor], policy: Policy
) -> dict[str, Tensor]:
    """Bring a fixed table of a grid that is no square to a target's own.

    A length does not tell 4 x 16 patches from 8 x 8; MAE's fixed positions,
    which are sines of row and column, do. What was learnt tells nothing, and
    squares of another size are resized by the encoder itself. Where a square
    would be as many patches as the target's rows and columns, a line says so.

    Args:
        target: A model or a part of one.
        state: The checkpoint's parameters.
        policy: What may be left over, and whether a table is resized.

    Returns:
        The parameters, with the table resized (bicubic) if it is of another
        grid.

    Raises:
        ValueError: If it is, and the policy does not resize.
    """
    for name, module in target.named_modules():
        inside = f'{policy.prefix}{name}{"." if name else ""}'
        own = getattr(module, 'patch_resolution', None)
        key = f'{inside}pos_embed'
        table = state.get(key)
        if own is None or table is None or table.ndim != 3:
            continue
        grid, own = grid_of_table(table), (own[0], own[1])
        square = grid is not None and grid[0] == grid[1]
        same = own[0] * own[1] == table.shape[1] - 1
        if grid is None and policy.resize and same and _unlike_square(own):
            _warn_of_square(own)
        if grid is None or grid == own or (square and not same):
            continue
        words = '{} x {} patches'
        was, now = words.format(*grid), words.format(*own)
        if not policy.resize:
            raise ValueError(
                f'its positions are of {was}, and the model has {now}: '
                '--img-size HEIGHTxWIDTH takes pictures of its size'
            )
        print_log(f'positions of {was} resized to {now}', 'current')
        resized: Any = resize_pos_embed(
            table.float(), grid, own, mode='bicubic', num_extra_tokens=1
        )
        state = _with(state, key, resized.to(table.dtype))
    return state


def _unlike_square(grid: tuple[int, int]) -> bool:
    """Whether it is no square, and a square has as many patches."""
    return grid[0] != grid[1] and is_square(grid[0] * grid[1])


def _warn_of_square(grid: tuple[int, int]) -> None:
    """Say that a learnt table is taken for one of rows and columns."""
    side = math.isqrt(grid[0] * grid[1])
    print_log(
        f'learnt positions are taken as of {grid[0]} x {grid[1]} patches, row '
        f'by row: if they are of {side} x {side}, --img-size HEIGHTxWIDTH '
        'with another number of patches has them resized',
        'current',
        logging.WARNING,
    )


def _with(
    state: dict[str, Tensor], key: str, value: Tensor
) -> dict[str, Tensor]:
    """A copy with one tensor for another, with what else it carries."""
    found = state.copy()
    found[key] = value
    return found
