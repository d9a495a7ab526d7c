"""Numbers and pictures as text that a page can hold."""

import base64
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..visualization.panel import to_array

#: Of JPEG. Chosen here.
QUALITY = 85


def in_base64(values: Tensor) -> str:
    """Whole numbers of 8 bits, in the order that they lie in."""
    data = values.cpu().contiguous().numpy()
    assert data.dtype in (np.uint8, np.int8)
    return base64.b64encode(data.tobytes()).decode()


def as_bytes(values: Tensor) -> Tensor:
    """Values in [0, 1] as uint8; what is not finite as 0."""
    return (values.nan_to_num(0, 0, 0).clamp(0, 1) * 255).round().byte()


def as_signed(values: Tensor) -> Tensor:
    """Values in [-1, 1] as int8."""
    scaled = values.nan_to_num(0, 0, 0).clamp(-1, 1) * 127
    return scaled.round().to(torch.int8)


def as_jpeg(picture: Tensor, side: int | None = None) -> str:
    """A picture as a data URI.

    Args:
        picture: RGB, ``(3, H, W)``, in [0, 255].
        side: Its longer side to come, in pixels; None keeps it.
    """
    image = Image.fromarray(to_array(picture))
    if side is not None:
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=QUALITY)
    return f'data:image/jpeg;base64,{_text(buffer.getvalue())}'


def as_png(data: bytes) -> str:
    """A PNG file as a data URI."""
    return f'data:image/png;base64,{_text(data)}'


def rounded(values: Tensor, digits: int = 4) -> list:
    """Numbers as JSON takes them, so many digits behind the first."""
    found = values.double().cpu().numpy()
    return [
        rounded(torch.as_tensor(part), digits)
        if np.ndim(part)
        else float(f'{part:.{digits}g}')
        if np.isfinite(part)
        else None
        for part in found
    ]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
