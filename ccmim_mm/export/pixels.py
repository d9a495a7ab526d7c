"""What an encoder wants of a picture, and a picture to compare on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..datasets.data_root import evaluation_pipeline
from .source import Source

#: ImageNet's, of every recipe here.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)
#: The side of ImageNet's crops, over the shorter side that they are cut of.
_CROP = 224 / 256
#: Pictures to compare on.
COUNT = 3


class Pixels(NamedTuple):
    """How pictures become an encoder's input.

    Attributes:
        mean: Of RGB in [0, 1], to subtract.
        std: To divide by then.
        side: Side of the input, in pixels.
        resize: Shorter side of the picture that it is cut from the middle
            of, resized bicubically.
        assumed: Whether nobody told, and ImageNet's were taken.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int
    resize: int
    assumed: bool


def pixels_of(source: Source) -> Pixels:
    """How a checkpoint's pictures are made, by the config of its run.

    Raises:
        ValueError: If the model takes BGR, which no other library does.
    """
    crop, resize = _evaluation(source)
    side = source.shape.side if source.shape else crop or 224
    # In proportion, where the config cuts for another size.
    share = crop / resize if crop and resize else _CROP
    told = (source.cfg or {}).get('data_preprocessor') or {}
    if told and not (told.get('bgr_to_rgb') or told.get('to_rgb')):
        raise ValueError(
            'its pictures are BGR by the config, and every other library '
            'takes RGB: only models trained with bgr_to_rgb are exported'
        )
    mean, std = told.get('mean') or _MEAN, told.get('std') or _STD
    return Pixels(
        # 57.12 / 255 is 0.224, and not 0.22399999999999998.
        mean=tuple(round(value / 255, 8) for value in mean),
        std=tuple(round(value / 255, 8) for value in std),
        side=side,
        resize=max(side, round(side / share)),
        assumed='mean' not in told,
    )


def _evaluation(source: Source) -> tuple[int | None, int | None]:
    """Crop and shorter side of the evaluation, if the config has them."""
    crop = resize = None
    if source.cfg is None:
        return None, None
    try:
        pipeline = evaluation_pipeline(source.cfg)
    except ValueError:
        return None, None
    for step in pipeline:
        if 'ResizeEdge' in step['type']:
            resize = step['scale']
        elif step['type'] == 'CenterCrop':
            crop = _one(step['crop_size'])
    return crop, resize


def _one(size: Any) -> int:
    return size if isinstance(size, int) else min(size)


def pictures(pixels: Pixels, channels: int, path: Path | None) -> np.ndarray:
    """A picture, mirrored, and upside down.

    Args:
        pixels: How large they are.
        channels: Of a picture.
        path: A picture; None makes one, of blots in all colours, the same
            every time.

    Returns:
        ``(3, H, W, C)``, uint8, RGB.

    Raises:
        OSError: If the file is no picture.
    """
    side = pixels.side
    if path is None:
        rng = np.random.default_rng(0)
        planes = [
            Image.fromarray(rng.integers(0, 256, (9, 9), np.uint8)).resize(
                (side, side), Image.Resampling.BICUBIC
            )
            for _ in range(channels)
        ]
        one = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    else:
        with Image.open(path) as opened:
            image = opened.convert('RGB')
        scale = pixels.resize / min(image.size)
        size = [max(side, round(length * scale)) for length in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
        left, top = ((length - side) // 2 for length in size)
        one = np.asarray(image.crop((left, top, left + side, top + side)))
    return np.stack([one, one[:, ::-1], one[::-1]])


def normalise(pixels: Pixels, images: np.ndarray) -> Tensor:
    """Pictures ``(B, H, W, C)``, uint8, as the encoder's input."""
    inputs = torch.from_numpy(images.copy()).movedim(-1, 1) / 255
    return (inputs - _column(pixels.mean)) / _column(pixels.std)


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]
