"""Fixed positions of patches on a grid that need not be square."""

import torch
from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor

from .grids import Size, as_pair


def sincos_table(grid: Size, width: int) -> Tensor:
    """MAE's table of positions, a slot of zeros for the CLS token in front.

    mmpretrain counts along columns first, which a square grid does not tell
    from rows; here patches are in raster order, and of a square the table is
    mmpretrain's.

    Args:
        grid: Patches along a column and along a row.
        width: Channels C of a token, a multiple of 4.

    Returns:
        ``(1, 1 + L, C)``, fp32.
    """
    rows, columns = as_pair(grid)
    return build_2d_sincos_position_embedding(
        (columns, rows), width, cls_token=True
    ).float()


def grid_of_table(table: Tensor) -> tuple[int, int] | None:
    """Rows and columns of a fixed table of positions.

    Args:
        table: ``(1, 1 + L, C)``, the CLS token's place first.

    Returns:
        None if it is not MAE's of any grid, be it learnt or another's.
    """
    count, width = table.shape[1] - 1, table.shape[2]
    if count < 1 or width % 4 or not table.is_floating_point():
        return None
    for rows in range(1, count + 1):
        if count % rows:
            continue
        grid = rows, count // rows
        fixed = sincos_table(grid, width).to(table)
        if torch.allclose(table, fixed, atol=1e-3):
            return grid
    return None
