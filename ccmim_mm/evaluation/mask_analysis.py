"""What a method says of itself: its attention and its masks.

The loop of ccMIM is "contrast makes the attention semantic, attention picks
the patches"; these are the figures that show whether it closes.
"""

import torch.nn.functional as F
from torch import Tensor

from ..grids import Size, as_pair


def object_cover(label_maps: Tensor, grid: Size) -> Tensor:
    """How much of each patch is object.

    Args:
        label_maps: ``(B, H, W)`` integers: 0 background, 255 not judged, any
            other an object. H and W are multiples of ``grid``.
        grid: Rows and columns of patches; one number is both.

    Returns:
        ``(B, L)`` in [0, 1], of the pixels that are judged; 0 for a
        patch without any.

    Raises:
        ValueError: If the grid does not divide the maps.
    """
    height, width = label_maps.shape[1:]
    rows, columns = as_pair(grid)
    if height % rows or width % columns:
        raise ValueError(
            f'label maps of {height} x {width} pixels have no grid of '
            f'{rows} x {columns} patches'
        )
    size = (height // rows, width // columns)
    judged = (label_maps != 255).float()[:, None]
    objects = (label_maps > 0).float()[:, None] * judged
    share = F.avg_pool2d(objects, size) / F.avg_pool2d(judged, size).clamp(
        min=1e-9
    )
    return share.flatten(1)


def on_object(weights: Tensor, cover: Tensor) -> Tensor:
    """Share of some weight on patches that lies on the object.

    With equal weights it is the object's share of the picture: what
    attention without a preference, or a random mask, comes to.

    Args:
        weights: ``(B, L)``, >= 0: attention scores, or a mask.
        cover: ``(B, L)``, each patch's share of object.

    Returns:
        ``(B,)`` in [0, 1].
    """
    return (weights * cover).sum(1) / weights.sum(1)
