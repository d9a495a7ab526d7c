"""Normalised pictures of any channels as colours that a screen has."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..models.data_preprocessors import ChannelsPreprocessor

#: Shares of a picture's values that are black and white where they are no
#: bytes. Chosen here.
DARK, BRIGHT = 0.01, 0.99


def as_rgb(
    columns: dict[str, Tensor],
    preprocessor: Any,
    channels: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Undo what a data preprocessor did to pictures, and show them.

    Pictures that were read as they are stored (``LoadChannels``) have no
    black and white of their own: each channel of a picture is stretched
    between two quantiles of what the first column has of it, in all columns.

    Args:
        columns: By title, pictures in the preprocessor's range, ``(B, C, H,
            W)``; colours in [-2, 2], ``(B, 3, H, W)``; or other values, which
            stay. The first are pictures.
        preprocessor: Of the model.
        channels: Those to show as red, green and blue; None is the first
            three, or the first alone where there are fewer.

    Returns:
        Likewise, pictures as RGB in [0, 255], ``(B, 3, H, W)``.

    Raises:
        IndexError: If there is no such channel.
    """
    mean, std = preprocessor.mean, preprocessor.std
    stored = isinstance(preprocessor, ChannelsPreprocessor)
    if channels is None:
        channels = (0, 1, 2) if len(mean) > 2 else (0, 0, 0)
    first = next(iter(columns.values()))
    if stored and max(channels) >= first.shape[1]:
        raise IndexError(
            f'PanelHook.channels={list(channels)}: the pictures have '
            f'channels 0 to {first.shape[1] - 1}'
        )

    def shown(images: Tensor) -> Tensor:
        if images.ndim != 4:
            return images
        if stored and images.shape[1] != len(mean):
            return (images + 2) / 4 * 255
        pixels = images * std + mean
        if not stored:
            return pixels
        return (pixels[:, list(channels)] - black) / span * 255

    if stored:
        values = (first * std + mean)[:, list(channels)].float().flatten(2)
        limits = values.new_tensor([DARK, BRIGHT])
        black, white = torch.quantile(values, limits, dim=2)[..., None, None]
        span = (white - black).clamp(min=1e-12)
    return {title: shown(images) for title, images in columns.items()}
