"""What an encoder wants of a picture, and a picture to compare on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor

from ..datasets.data_root import evaluation_pipeline
from ..grids import as_pair
from ..models import ChannelsPreprocessor
from ..models.plain_vit import CLIP, IMAGENET
from .source import Source

#: The side of ImageNet's crops, over the shorter side that they are cut of.
_CROP = 224 / 256


class Pixels(NamedTuple):
    """How pictures become an encoder's input.

    Attributes:
        mean: Of RGB in [0, 1], or of channels as files have them, to
            subtract.
        std: To divide by then.
        size: Height and width of the input, in pixels.
        resize: Height and width that the picture covers, resized
            bicubically, from whose middle it is cut.
        assumed: Whether nobody told, and ImageNet's were taken.
        stored: Whether channels are as files have them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int]
    resize: tuple[int, int]
    assumed: bool
    stored: bool = False


def pixels_of(source: Source) -> Pixels:
    """How a checkpoint's pictures are made, by the config of its run.

    Raises:
        ValueError: If the model takes BGR, which no other library does, or
            other channels than RGB, whose mean nobody knows.
    """
    cfg = source.cfg or {}
    # mmdet's and mmseg's are the model's.
    inner = (cfg.get('model') or {}).get('data_preprocessor')
    told = cfg.get('data_preprocessor') or inner or {}
    channels = _channels(source)
    stored = channels != len('RGB') or told.get('type', '').endswith(
        ChannelsPreprocessor.__name__
    )
    if told and not (stored or told.get('bgr_to_rgb') or told.get('to_rgb')):
        raise ValueError(
            'its pictures are BGR by the config, and every other library '
            'takes RGB: only models trained with bgr_to_rgb are exported'
        )
    clip = source.shape is not None and source.shape.of_clip
    own = CLIP if clip else IMAGENET
    mean, std = told.get('mean') or own[0], told.get('std') or own[1]
    if len(mean) != channels:
        raise ValueError(
            f'its pictures have {channels} channels, and their mean and std '
            'are not known: --config names the config, or the work dir, of '
            'its run'
        )
    crop, resize = _evaluation(source)
    size = source.shape.size if source.shape else crop or _img_size(source)
    # In proportion, where the config cuts for another size.
    share = 1 if clip else _CROP
    if crop and resize:
        share = crop[0] / resize[0]
    unit = 1 if stored else 255
    return Pixels(
        # 57.12 / 255 is 0.224, and not 0.22399999999999998.
        mean=tuple(round(value / unit, 8) for value in mean),
        std=tuple(round(value / unit, 8) for value in std),
        size=size,
        resize=(
            max(size[0], round(size[0] / share)),
            max(size[1], round(size[1] / share)),
        ),
        assumed=not clip and 'mean' not in told,
        stored=stored,
    )


def _channels(source: Source) -> int:
    """Channels of a picture; those of no plain ViT its config tells."""
    if source.shape is not None:
        return source.shape.channels
    return _backbone(source).get('in_channels', len('RGB'))


def _img_size(source: Source) -> tuple[int, int]:
    """Height and width that the config makes the encoder for."""
    return as_pair(_backbone(source).get('img_size', 224))


def _backbone(source: Source) -> dict[str, Any]:
    return ((source.cfg or {}).get('model') or {}).get('backbone') or {}


def _evaluation(
    source: Source,
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Crop and size before it of the evaluation, if the config has them."""
    crop = resize = None
    if source.cfg is None:
        return None, None
    try:
        pipeline = evaluation_pipeline(source.cfg)
    except ValueError:
        return None, None
    for step in pipeline:
        if 'ResizeEdge' in step['type']:
            resize = as_pair(step['scale'])
        elif step['type'] == 'CenterCrop':
            width, height = as_pair(step['crop_size'])
            crop = height, width
    return crop, resize


def transforms_of(pixels: Pixels) -> list[dict[str, Any]]:
    """The transforms that read a picture's file, and make it so large.

    They give ``img``, ``(H, W, C)``: BGR, uint8, or numbers as files have
    them.
    """
    load: dict[str, Any] = dict(type='LoadUprightImage')
    if pixels.stored:
        load = dict(type='LoadChannels', channels=len(pixels.mean))
    return [
        load,
        dict(
            type='CappedResizeEdge',
            scale=pixels.resize,
            edge='short',
            backend='pillow',
            interpolation='bicubic',
        ),
        # Width first.
        dict(type='CenterCrop', crop_size=pixels.size[::-1]),
    ]


def pictures(pixels: Pixels, path: Path | None) -> np.ndarray:
    """A picture, mirrored, and upside down.

    Args:
        pixels: What they are.
        path: A picture; None makes one, of blots in all channels, the same
            every time.

    Returns:
        ``(3, H, W, C)``: RGB, uint8, or numbers as files have them.

    Raises:
        OSError: If the file is no picture.
        ValueError: If it has other channels.
    """
    height, width = pixels.size
    channels = len(pixels.mean)
    if path is None:
        rng = np.random.default_rng(0)
        planes = [
            Image.fromarray(rng.integers(0, 256, (9, 9), np.uint8)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
            for _ in range(channels)
        ]
        one = np.stack([np.asarray(plane) for plane in planes], axis=-1)
        if pixels.stored:
            # From two spreads below the mean to two above.
            one = pixels.mean + (one / 255 * 4 - 2) * np.array(pixels.std)
    else:
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            made = Compose(transforms_of(pixels))
        one = made(dict(img_path=str(path)))['img']
        if not pixels.stored:
            one = one[..., ::-1]
    return np.stack([one, one[:, ::-1], one[::-1]])


def normalise(pixels: Pixels, images: np.ndarray) -> Tensor:
    """Pictures of :func:`pictures` as the encoder's input."""
    inputs = torch.from_numpy(images.copy()).movedim(-1, 1)
    if not pixels.stored:
        inputs = inputs / 255
    inputs = (inputs - _column(pixels.mean)) / _column(pixels.std)
    return inputs.float()


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]
