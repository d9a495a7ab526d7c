"""Fixed positions of patches on a grid that need not be square."""

from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor

from ...grids import Size, as_pair


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
