"""Pictures as people have them, read as a run reads its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..datasets.listing import list_pictures
from ..datasets.transforms import LoadChannels
from ..datasets.transforms.loading import to_bgr

#: A picture: its path, one of PIL's, or an array, RGB ``(H, W, 3)`` of uint8
#: or, for a model of other channels, ``(H, W, C)`` of numbers; also a folder,
#: for all in it at any depth, by name.
Picture = str | Path | Image.Image | np.ndarray
#: One or several, also as one array ``(B, H, W, C)``, or what
#: :meth:`ccmim_mm.apis.Encoder.load` has made of them.
Pictures = Picture | Sequence[Picture] | Tensor


def read_picture(picture: Picture, loading: Any) -> dict:
    """What a transform that loads files would make of a picture.

    Args:
        picture: A single one.
        loading: The transform.

    Returns:
        With ``img``, ``(H, W, C)``, its ``img_shape`` and ``ori_shape``,
        both ``(H, W)``, and ``img_path``, empty where there is no file.

    Raises:
        UnreadablePictureError: If a file is no picture.
        TypeError: For what is no picture at all.
        ValueError: For one without pixels, or an array of other channels.
    """
    if isinstance(picture, str | Path):
        return loading(dict(img_path=str(picture)))
    if not isinstance(picture, Image.Image | np.ndarray):
        raise TypeError(
            f'a {type(picture).__name__} is no picture: give a path, one of '
            'PIL or an array, as RGB (H, W, 3) of uint8'
        )
    size = picture.shape if isinstance(picture, np.ndarray) else picture.size
    if 0 in size:
        raise ValueError(f'a picture of {size} has no pixels')
    if isinstance(loading, LoadChannels):
        img = loading.as_channels(picture)
    else:
        img = to_bgr(_as_pillow(picture))
    shape = img.shape[:2]
    return dict(img=img, img_path='', img_shape=shape, ori_shape=shape)


def _as_pillow(picture: Image.Image | np.ndarray) -> Image.Image:
    """A picture of three channels as one of PIL's.

    Raises:
        ValueError: If the array has another shape or type than one of RGB.
    """
    if isinstance(picture, Image.Image):
        return picture
    try:
        return Image.fromarray(picture)
    except TypeError:
        raise ValueError(
            f'the model takes RGB, (H, W, 3) of uint8, and the array is of '
            f'shape {picture.shape} and {picture.dtype}: --channels N trains '
            'one for other channels'
        ) from None


def one_by_one(pictures: Picture | Sequence[Picture]) -> list[Picture]:
    """Pictures, those of folders and batches each by itself."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 4:
        return list(pictures)
    if isinstance(pictures, str | Path) and Path(pictures).is_dir():
        listing = list_pictures(pictures)
        return [listing.path(pictures, i) for i in range(len(listing))]
    if isinstance(pictures, Picture) or not isinstance(pictures, Sequence):
        return [pictures]
    return [one for picture in pictures for one in one_by_one(picture)]
