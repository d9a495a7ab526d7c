"""Whether matched patches of two crops show the same place.

DenseCL pairs each cell of one view with the cell of the other whose features
are the most similar. Where both crops of a picture are known, so is the true
partner. The figures are chosen here; no paper has them.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grids import in_words


class Crops(NamedTuple):
    """Where views of ``N`` pictures were cut out.

    Attributes:
        boxes: Top, left, height and width in pixels, ``(N, 4)``.
        flipped: Left for right, ``(N,)``, bool.
    """

    boxes: Tensor
    flipped: Tensor


class Agreement(NamedTuple):
    """How matches agree with the crops, as shares in [0, 1].

    Attributes:
        exact: Of the matches, those with the cell that shows the place.
        exact_chance: With the cells of the second view shuffled.
        near: Those with that cell or one of its up to eight neighbours.
        near_chance: With the cells shuffled.
        same_index: Those with the cell of the same index, which is what
            features of nothing but the position would choose.
        same_index_true: Where it is the cell that shows the place.
    """

    exact: float
    exact_chance: float
    near: float
    near_chance: float
    same_index: float
    same_index_true: float


def true_cells(first: Crops, second: Crops, grid: tuple[int, int]) -> Tensor:
    """Where the second views show the middle of each cell of the first.

    Args:
        first: The first views.
        second: The second views.
        grid: Rows and columns of cells of either.

    Returns:
        Row and column of a cell, ``(N, rows * columns, 2)``; outside of
        the grid where the second view does not show the place.
    """
    cells = torch.cartesian_prod(*map(torch.arange, grid))
    own = ((cells + 0.5) / torch.tensor(grid)).expand(len(first.boxes), -1, 2)
    flip = torch.tensor([False, True])
    mirrored = first.flipped[:, None, None] & flip
    own = torch.where(mirrored, 1 - own, own)
    place = first.boxes[:, None, :2] + own * first.boxes[:, None, 2:]
    found = (place - second.boxes[:, None, :2]) / second.boxes[:, None, 2:]
    mirrored = second.flipped[:, None, None] & flip
    found = torch.where(mirrored, 1 - found, found)
    return (found * torch.tensor(grid)).floor().long()


def match_agreement(
    features: tuple[Tensor, Tensor],
    crops: tuple[Crops, Crops],
    grid: tuple[int, int],
) -> Agreement:
    """Match cells by the cosine of their features, and look whether it fits.

    Cells of the first view that the second does not show are left out.

    Args:
        features: Of both views, ``(N, L, C)`` each, in raster order.
        crops: Of both views.
        grid: Rows and columns of the patches.

    Raises:
        ValueError: If the grid is of another number, or no cell is in both
            views.
    """
    length = features[0].shape[1]
    if grid[0] * grid[1] != length:
        raise ValueError(
            f'{length} patches are no grid of {in_words(grid)}: give their '
            'rows and columns'
        )
    queries, keys = (F.normalize(f.float(), dim=-1) for f in features)
    matched = (queries @ keys.mT).argmax(-1)
    cells = torch.cartesian_prod(*map(torch.arange, grid))
    true = true_cells(*crops, grid)
    shown = ((true >= 0) & (true < torch.tensor(grid))).all(-1)
    if not shown.any():
        raise ValueError('no cell is in both views of a picture')
    true, matched = true[shown], matched[shown]
    index = torch.arange(length).expand(len(shown), -1)[shown]
    # Of every cell of the second view, rows and columns from the true one.
    distance = (cells[None] - true[:, None]).abs().amax(-1)
    own = distance.gather(1, matched[:, None])[:, 0]
    same = distance.gather(1, index[:, None])[:, 0]
    shares = (
        *(own == 0, distance == 0, own <= 1, distance <= 1),
        *(matched == index, same == 0),
    )
    return Agreement(*(share.double().mean().item() for share in shares))
