"""Features of patches as colours, for a person to look at."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...grids import grid_of


def in_colours(
    inputs: Tensor, features: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Features of patches as pictures: their main directions as colours.

    The first principal component over all patches is red, the second green,
    the third blue, each with unit variance and cut at two of its standard
    deviations. A direction has no sign of its own: here each points to where
    the pictures are brighter, so that panels of the same pictures can be
    compared, whatever basis the features have (chosen here).

    Args:
        inputs: Normalised pictures, ``(B, C, H, W)``.
        features: ``(B, L, D)`` each, of patches that fill the pictures; the
            first have the directions. What is not finite counts as 0.

    Returns:
        ``(B, 3, H, W)`` each, in [-2, 2]: the range of normalised pictures.
    """
    finite = {
        name: value.float().nan_to_num(0.0, 0.0, 0.0)
        for name, value in features.items()
    }
    first = next(iter(finite.values()))
    grid = grid_of(first.shape[1], inputs.shape[-2:])
    assert grid is not None
    rows = first.flatten(0, 1)
    centre = rows.mean(0)
    _, _, directions = torch.linalg.svd(rows - centre, full_matrices=False)
    found = (rows - centre) @ directions[:3].T
    bright = F.adaptive_avg_pool2d(inputs.float().mean(1), grid).flatten()
    signs = torch.where((bright - bright.mean()) @ found < 0, -1.0, 1.0)
    scale = found.std(0).clamp(min=1e-6) * signs
    coloured = {}
    for name, value in finite.items():
        colours = ((value - centre) @ directions[:3].T / scale).clamp(-2, 2)
        spread = colours.mT.unflatten(2, grid)
        coloured[name] = F.interpolate(spread, inputs.shape[-2:])
    return coloured
