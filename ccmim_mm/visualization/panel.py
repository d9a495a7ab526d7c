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

#: The shorter side of a cell, and the column names above.
CELL_INCHES = 1.4
TITLE_INCHES = 0.25


def draw_panel(columns: dict[str, Tensor]) -> np.ndarray:
    """Draw one row a picture, and one column each of what there is to see.

    Args:
        columns: By title, pictures, RGB, ``(B, 3, H, W)``, in [0, 255]; or
            a value a patch, ``(B, L)``, each picture's stretched to the full
            colour range. The first are pictures, and all of their size.

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
    gap = max(1, round(0.04 * min(height, width)))
    # One picture of all cells: an axis each takes a second to draw.
    board = np.concatenate(
        [np.concatenate([_framed(c, gap) for c in row], 1) for row in rows]
    )
    inches = CELL_INCHES / min(height, width)
    high, wide = (inches * pixels for pixels in board.shape[:2])
    figure = Figure(figsize=(wide, high + TITLE_INCHES), dpi=110)
    axis = figure.add_axes((0, 0, 1, high / (high + TITLE_INCHES)))
    axis.imshow(board, interpolation='nearest', aspect='auto')
    axis.axis('off')
    for place, name in enumerate(titles):
        # The first pixel's middle is at 0.
        middle = (place + 0.5) * (width + 2 * gap) - 0.5
        axis.text(middle, -0.5, name, ha='center', va='bottom', fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return np.asarray(Image.open(buffer).convert('RGB'))


def _framed(cell: np.ndarray, gap: int) -> np.ndarray:
    return np.pad(cell, [(gap, gap), (gap, gap), (0, 0)], constant_values=255)
