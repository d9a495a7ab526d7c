"""Resizing to two sides, of any channels, and of thin pictures cheaply."""

from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.image.geometric import pillow_interp_codes
from mmcv.transforms import RandomFlip
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets.transforms import RandomResizedCrop, ResizeEdge
from PIL import Image

from ...grids import Size, as_pair
from .loading import LoadUprightImage

_RESAMPLE = dict(
    nearest=Image.Resampling.NEAREST,
    bilinear=Image.Resampling.BILINEAR,
    bicubic=Image.Resampling.BICUBIC,
    area=Image.Resampling.BOX,
    lanczos=Image.Resampling.LANCZOS,
)


@TRANSFORMS.register_module()
class CappedResizeEdge(ResizeEdge):
    """mmpretrain's ``ResizeEdge`` in front of a crop of the centre.

    Of a picture of 1 x 30,000 pixels the short edge at 256 would make 6 GB
    of what the crop throws away. So the middle alone of what is longer than
    ``max_aspect`` times its width is resized; other pictures come out as the
    parent has them, to the bit. Label maps (``seg_fields``) are cropped and
    resized along, by nearest neighbours.

    Args:
        scale: Length of the edge after resizing, in pixels; or height and
            width that the picture is to cover, one of them exactly.
        max_aspect: Longer over shorter edge, at least 1; 8 is chosen here.
        **kwargs: ``edge``, ``backend``, ``interpolation`` of the parent.

    Raises:
        ValueError: If ``max_aspect`` is below 1.
    """

    def __init__(self, scale: Size, max_aspect: float = 8, **kwargs) -> None:
        pair = as_pair(scale)
        super().__init__(min(pair), **kwargs)
        self.cover = pair
        if max_aspect < 1:
            raise ValueError(f'max_aspect must be >= 1, got {max_aspect}')
        self.max_aspect = max_aspect

    def transform(self, results: dict) -> dict:
        """Crop what is too long, and resize."""
        fields = results.get('seg_fields', [])
        if self.edge != 'long':
            for name in ('img', *fields):
                results[name] = self._middle(results[name])
        if self.cover[0] == self.cover[1] and _is_plain(results['img']):
            results = super().transform(results)
        else:
            height, width = self._size(*results['img'].shape[:2])
            results['scale'] = (width, height)
            results['img'] = resize(
                results['img'],
                (height, width),
                self.interpolation,
                self.backend,
            )
            results['img_shape'] = (height, width)
        for name in fields:
            results[name] = mmcv.imresize(
                results[name],
                results['scale'],
                interpolation='nearest',
                backend=self.backend,
            )
        return results

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to come; of one edge as the parent has them."""
        if self.cover[0] != self.cover[1]:
            least = self.cover
            scale = max(least[0] / height, least[1] / width)
            return (
                max(least[0], round(height * scale)),
                max(least[1], round(width * scale)),
            )
        wide = dict(
            short=width < height,
            long=width > height,
            width=True,
            height=False,
        )
        if wide[self.edge]:
            return int(self.scale * height / width), self.scale
        return self.scale, int(self.scale * width / height)

    def _middle(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        aspect = self.max_aspect * max(self.cover) / min(self.cover)
        longest = int(aspect * min(height, width))
        top = max(0, height - longest) // 2
        left = max(0, width - longest) // 2
        return picture[top : top + longest, left : left + longest]


@TRANSFORMS.register_module()
class ChannelsResizedCrop(RandomResizedCrop):
    """mmpretrain's ``RandomResizedCrop``, of any channels and numbers.

    The same crops; resized channel by channel in float32. Takes the parent's
    arguments; ``backend`` is Pillow's, which no other has antialiasing.
    """

    def transform(self, results: dict) -> dict:
        """Crop and resize ``results['img']``, ``(H, W, C)``."""
        picture = results['img']
        top, left, height, width = self.rand_crop_params(picture)
        picture = picture[top : top + height, left : left + width]
        rows, columns = self.scale
        results['img'] = resize(picture, (rows, columns), self.interpolation)
        results['img_shape'] = results['img'].shape[:2]
        return results


class LoadedCrop:
    """``LoadUprightImage``, mmpretrain's ``RandomResizedCrop``, a flip.

    To the bit what they do one after the other; the whole picture stays
    Pillow's, of which the crop alone becomes an array.

    Args:
        load: The first.
        crop: The second, its backend Pillow.
        flip: The third, of one direction; None if another follows.
    """

    def __init__(
        self,
        load: LoadUprightImage,
        crop: RandomResizedCrop,
        flip: RandomFlip | None = None,
    ) -> None:
        self.load, self.crop, self.flip = load, crop, flip
        self.size = tuple(crop.scale[::-1])
        self.filter = pillow_interp_codes[crop.interpolation]

    def __call__(self, results: dict) -> dict:
        """Load ``results['img_path']``, crop, resize and flip.

        Raises:
            UnreadablePictureError: If the file is missing or no whole picture.
        """
        if 'img' in results:
            results = self.crop(results)
            return self.flip(results) if self.flip else results
        found = self.load.open(results['img_path'])
        if isinstance(found, np.ndarray):
            shape = found.shape[:2]
            top, left, height, width = self._place(shape)
            array = found[top : top + height, left : left + width]
            part = Image.fromarray(np.ascontiguousarray(array))
            img = np.array(part.resize(self.size, self.filter))
        else:
            shape = found.height, found.width
            top, left, height, width = self._place(shape)
            part = found.crop((left, top, left + width, top + height))
            part = part.resize(self.size, self.filter)
            img = mmcv.rgb2bgr(np.asarray(part))
        results.update(ori_shape=shape, img=img, img_shape=img.shape)
        if self.flip:
            # As ``np.random.choice`` draws, which takes ten times as long.
            turned = bool(np.random.random_sample() < self.flip.prob)
            direction = self.flip.direction if turned else None
            results['flip'], results['flip_direction'] = turned, direction
            if turned:
                results['img'] = mmcv.imflip(results['img'], direction)
        return results

    def _place(self, shape: Sequence[int]) -> tuple[int, int, int, int]:
        """Top, left, height and width, of which no more than the shape."""
        return self.crop.rand_crop_params(np.empty((*shape, 0)))

    def __repr__(self) -> str:
        parts = filter(None, (self.load, self.crop, self.flip))
        return '\n    '.join(map(str, parts))


def joined(transforms: list[Any]) -> list[Any]:
    """Transforms, neighbours that make up a :class:`LoadedCrop` joined."""
    found: list[Any] = []
    for transform in transforms:
        if (
            found
            # What is derived from them may do anything else.
            and type(found[-1]) is LoadUprightImage
            and type(transform) is RandomResizedCrop
            and transform.backend == 'pillow'
            and transform.interpolation in pillow_interp_codes
        ):
            found[-1] = LoadedCrop(found[-1], transform)
        elif (
            found
            and isinstance(found[-1], LoadedCrop)
            and found[-1].flip is None
            and type(transform) is RandomFlip
            and isinstance(transform.prob, float)
            and isinstance(transform.direction, str)
        ):
            found[-1].flip = transform
        else:
            found.append(transform)
    return found


def resize(
    picture: np.ndarray,
    size: Sequence[int],
    interpolation: str,
    backend: str = 'pillow',
) -> np.ndarray:
    """Resize a picture of bytes as mmcv does it, others channel by channel.

    Args:
        picture: ``(H, W, C)``, of numbers.
        size: Height and width to come.
        interpolation: One of mmcv's.
        backend: For a picture of bytes.

    Returns:
        ``(*size, C)``, uint8 or float32.
    """
    height, width = size
    if _is_plain(picture):
        return mmcv.imresize(
            picture,
            (width, height),
            interpolation=interpolation,
            backend=backend,
        )
    planes = (
        Image.fromarray(plane).resize(
            (width, height), _RESAMPLE[interpolation]
        )
        for plane in np.moveaxis(picture.astype(np.float32), 2, 0)
    )
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _is_plain(picture: np.ndarray) -> bool:
    """Whether mmcv's Pillow resizes it."""
    return picture.dtype == np.uint8 and picture.shape[2:] == (3,)
