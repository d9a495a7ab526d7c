"""Normalised pictures of any channels as colours that a screen has."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..models.data_preprocessors import ChannelsPreprocessor

#: Shares of a picture's values that are black and white where they are no
#: bytes. Chosen here.
DARK, BRIGHT = 0.01, 0.99
#: Pixels of a picture that are looked at for them. Chosen here.
SAMPLE = 100_000


def as_rgb(
    columns: dict[str, Tensor],
    preprocessor: Any,
    channels: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Undo what a data preprocessor did to pictures, and show them.

    Args:
        columns: By title, pictures in the preprocessor's range, ``(B, C, H,
            W)``; colours in [-2, 2], ``(B, 3, H, W)``; or other values, which
            stay. The first are pictures.
        preprocessor: Of the model.
        channels: See :func:`stretch`, for pictures that were read as they
            are stored.

    Returns:
        Likewise, pictures as RGB in [0, 255], ``(B, 3, H, W)``.

    Raises:
        IndexError: If there is no such channel.
    """
    mean, std = preprocessor.mean, preprocessor.std
    stored = len(mean) != len('RGB') or isinstance(
        preprocessor, ChannelsPreprocessor
    )
    first = next(iter(columns.values())) * std + mean

    def shown(images: Tensor) -> Tensor:
        if images.ndim != 4:
            return images
        if stored and images.shape[1] != len(mean):
            return (images + 2) / 4 * 255
        pixels = images * std + mean
        return stretch(pixels, first, channels) if stored else pixels

    return {title: shown(images) for title, images in columns.items()}


def stretch(
    pixels: Tensor, like: Tensor, channels: Sequence[int] | None = None
) -> Tensor:
    """Show pictures that have no black and white of their own.

    Args:
        pixels: ``(B, C, H, W)``, as files have them.
        like: Likewise, those pictures between two of whose quantiles each
            channel is stretched.
        channels: Those to show as red, green and blue; None is the first
            three, or the first alone where there are fewer.

    Returns:
        RGB, ``(B, 3, H, W)``; between the quantiles in [0, 255].

    Raises:
        IndexError: If there is no such channel.
    """
    count = pixels.shape[1]
    if channels is None:
        channels = (0, 1, 2) if count > 2 else (0, 0, 0)
    if not all(0 <= channel < count for channel in channels):
        raise IndexError(
            f'channels={list(channels)} to show: pictures have channels 0 to '
            f'{count - 1}'
        )
    values = like[:, list(channels)].float().flatten(2)
    # Of large pictures some pixels tell as much.
    values = values[..., :: max(1, values.shape[2] // SAMPLE)]
    limits = values.new_tensor([DARK, BRIGHT])
    black, white = torch.quantile(values, limits, dim=2)[..., None, None]
    span = (white - black).clamp(min=1e-12)
    return (pixels[:, list(channels)] - black) / span * 255
