"""What the model hides, attends to and reconstructs, as one picture."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

COLUMNS = ('picture', 'attention', 'masked', 'predicted', 'pasted')


def draw_panel(
    images: Tensor, scores: Tensor, mask: Tensor, predicted: Tensor
) -> np.ndarray:
    """Draw one row a picture, one column each of :data:`COLUMNS`.

    Args:
        images: RGB, ``(B, 3, H, W)``, in [0, 255].
        scores: Attention scores of the patches, ``(B, L)``; each picture's
            are stretched to the full colour range.
        mask: ``(B, L)``, 1 = masked.
        predicted: RGB as ``images``, every patch predicted.

    Returns:
        ``(h, w, 3)`` uint8 RGB.
    """
    side = images.shape[-1]
    low, high = scores.amin(1, True), scores.amax(1, True)
    heat = to_picture((scores - low) / (high - low).clamp(min=1e-12), side)
    hidden = to_picture(mask, side)
    # Grey, so that a hidden patch cannot be taken for a dark one.
    masked = images * (1 - hidden) + 128 * hidden
    pasted = images * (1 - hidden) + predicted * hidden
    viridis = colormaps['viridis'](heat[:, 0].cpu().numpy())[..., :3]
    rows = [
        [to_array(images[i]), viridis[i]]
        + [to_array(x[i]) for x in (masked, predicted, pasted)]
        for i in range(len(images))
    ]
    return render(rows)


def to_picture(values: Tensor, side: int) -> Tensor:
    """Spread ``(B, L)`` patch values over pixels: ``(B, 1, side, side)``."""
    grid = round(values.shape[1] ** 0.5)
    square = values.float().unflatten(1, (grid, grid)).unsqueeze(1)
    return F.interpolate(square, size=(side, side), mode='nearest')


def to_array(image: Tensor) -> np.ndarray:
    """``(3, H, W)`` in [0, 255] to ``(H, W, 3)`` uint8."""
    pixels = image.round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(1, 2, 0).cpu().numpy()


def render(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Lay the cells out under their column names."""
    inch = 1.4
    figure = Figure(
        figsize=(inch * len(COLUMNS), inch * len(rows) + 0.2),
        dpi=110,
        layout='constrained',
    )
    axes = figure.subplots(len(rows), len(COLUMNS), squeeze=False)
    for row, cells in zip(axes, rows, strict=True):
        for axis, cell in zip(row, cells, strict=True):
            axis.imshow(cell, interpolation='nearest')
            axis.axis('off')
    for axis, name in zip(axes[0], COLUMNS, strict=True):
        axis.set_title(name, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return np.asarray(Image.open(buffer).convert('RGB'))
