"""Pictures and what a method makes of them, as one picture."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ..grids import Size, as_pair, grid_of, in_words


def draw_panel(columns: dict[str, Tensor]) -> np.ndarray:
    """Draw one row a picture, and one column each of what there is to see.

    Args:
        columns: By title, pictures, RGB, ``(B, 3, H, W)``, in [0, 255]; or
            a value a patch, ``(B, L)``, each picture's stretched to the full
            colour range. The first are pictures.

    Returns:
        ``(h, w, 3)`` uint8 RGB.
    """
    size = next(iter(columns.values())).shape[-2:]
    cells = {
        title: to_heat(values, size)
        if values.ndim == 2
        else [to_array(image) for image in values]
        for title, values in columns.items()
    }
    return _render(list(cells), list(zip(*cells.values(), strict=True)))


def to_picture(values: Tensor, size: Size) -> Tensor:
    """Spread ``(B, L)`` patch values over pixels: ``(B, 1, H, W)``.

    Raises:
        ValueError: If so many square patches do not fill the picture.
    """
    grid = grid_of(values.shape[1], size)
    if grid is None:
        raise ValueError(
            f'{values.shape[1]} square patches do not fill a picture of '
            f'{in_words(size)} pixels'
        )
    spread = values.float().unflatten(1, grid).unsqueeze(1)
    return F.interpolate(spread, size=as_pair(size), mode='nearest')


def to_heat(values: Tensor, size: Size) -> list[np.ndarray]:
    """Patch values ``(B, L)`` as colours, ``(H, W, 3)`` uint8 each.

    Each picture's are stretched to the full range.
    """
    low, high = values.amin(1, True), values.amax(1, True)
    stretched = (values - low) / (high - low).clamp(min=1e-12)
    heat = to_picture(stretched, size)[:, 0].cpu().numpy()
    colours = colormaps['viridis'](heat)[..., :3] * 255
    return list(colours.astype(np.uint8))


def to_array(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` in [0, 255] to ``(H, W, 3)`` uint8."""
    pixels = image.round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(1, 2, 0).cpu().numpy()


def _render(titles: list[str], rows: list[tuple]) -> np.ndarray:
    """Lay the cells out under their column names."""
    height, width = rows[0][0].shape[:2]
    wide, high = (1.4 * max(1, s) for s in (width / height, height / width))
    figure = Figure(
        figsize=(wide * len(titles), high * len(rows) + 0.2),
        dpi=110,
        layout='constrained',
    )
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for row, cells in zip(axes, rows, strict=True):
        for axis, cell in zip(row, cells, strict=True):
            axis.imshow(cell, interpolation='nearest')
            axis.axis('off')
    for axis, name in zip(axes[0], titles, strict=True):
        axis.set_title(name, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return np.asarray(Image.open(buffer).convert('RGB'))
