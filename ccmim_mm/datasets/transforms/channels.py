"""Pictures of any number of channels, with the values that they have."""

import io

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import TRANSFORMS
from PIL import ExifTags, Image, ImageOps

from .depth import TIFF, is_deep_colour
from .loading import read_file
from .unreadable import ARRAY, unreadable


class ChannelsError(ValueError):
    """A picture has another number of channels than the model takes."""


@TRANSFORMS.register_module()
class LoadChannels(LoadImageFromFile):
    """Load a TIFF, a NumPy array or any other picture as it is stored.

    For satellites' bands, microscopes' stains, grey pictures: what has no
    colours, or not three. Values keep their scale, and their mean and std
    belong into ``ChannelsPreprocessor``. The camera's rotation (EXIF) is
    undone, a palette looked up, and nothing else done.

    A TIFF may have its channels interleaved, in planes or as pages. An array
    (``.npy``) is ``(H, W)``, ``(H, W, C)`` or ``(C, H, W)``; where both ends
    are of C, the last is taken.

    Required keys: ``img_path``, or ``img``, which is taken as loaded. Added
    keys: ``img``, ``(H, W, C)`` float32, ``img_shape`` and ``ori_shape``,
    both ``(H, W)``.

    Args:
        channels: C, at least 1.
        backend_args: File backend, see mmcv's ``LoadImageFromFile``.

    Raises:
        ValueError: If there are to be no channels.
    """

    def __init__(
        self, channels: int, backend_args: dict | None = None
    ) -> None:
        super().__init__(backend_args=backend_args)
        if channels < 1:
            raise ValueError(f'LoadChannels: channels={channels}: at least 1')
        self.channels = channels

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']``.

        Raises:
            UnreadablePictureError: If the file is missing, no whole picture,
                of other channels, or has values that are not finite.
        """
        if 'img' in results:
            return results
        path = results['img_path']
        try:
            data = read_file(path, self.backend_args)
            img = self.as_channels(*decode(data))
        # Decoders raise nearly anything on broken data.
        except Exception as error:
            raise unreadable(path, error) from error
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def as_channels(
        self, picture: Image.Image | np.ndarray, known: bool = False
    ) -> np.ndarray:
        """A picture in memory as this transform loads it.

        Args:
            picture: One of PIL's, or ``(H, W)``, ``(H, W, C)`` or ``(C, H,
                W)``, of numbers.
            known: Whether its channels are known to be the last axis.

        Returns:
            ``(H, W, C)`` float32.

        Raises:
            ChannelsError: If it has another number of channels.
            ValueError: If it is no picture, or its values are not finite.
        """
        if isinstance(picture, Image.Image):
            picture, known = from_pillow(picture), True
        if picture.dtype.kind not in 'uifb' or picture.ndim not in (2, 3):
            raise ValueError(
                f'an array of shape {picture.shape} and {picture.dtype}: '
                'expected numbers, (H, W), (H, W, C) or (C, H, W)'
            )
        if picture.ndim == 2:
            picture = picture[..., None]
        elif picture.shape[2] != self.channels == picture.shape[0] and (
            not known
        ):
            picture = np.moveaxis(picture, 0, 2)
        height, width, found = picture.shape
        if found != self.channels:
            # An array does not say which end the channels are at.
            found = min(picture.shape) if found > 4 else found
            raise ChannelsError(
                f'{found} channels (an array of {picture.shape}), and the '
                f'model takes {self.channels}: --channels {found} trains one '
                'for such pictures'
            )
        if not height or not width:
            raise ValueError(f'no pixels: {height} x {width}')
        img = np.ascontiguousarray(picture, dtype=np.float32)
        if not np.isfinite(img).all():
            raise ValueError('it has values that are not finite')
        return img

    def __repr__(self) -> str:
        return f'{type(self).__name__}(channels={self.channels})'


def decode(data: bytes) -> tuple[np.ndarray, bool]:
    """The numbers that a file has, ``(H, W)`` or with channels at an end.

    Returns:
        They, and whether that is known to be the last.

    Raises:
        Exception: Nearly any, if it is broken.
        ImportError: If it is a TIFF, and tifffile is not installed.
    """
    if data.startswith(ARRAY):
        return np.load(io.BytesIO(data), allow_pickle=False), False
    if data.startswith(TIFF):
        return _decode_tiff(data)
    with Image.open(io.BytesIO(data)) as image:
        if is_deep_colour(image):
            # Pillow keeps 8 bits of each.
            values = cv2.imdecode(
                np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED
            )
            if values is None:
                raise ValueError('16-bit channels that OpenCV cannot read')
            # Grey becomes three that are alike.
            grey = any('LA;16' in str(tile.args) for tile in image.tile)
            order = [0, 3] if grey else [2, 1, 0, 3]
            values = values[..., order[: values.shape[2]]]
            turn = image.getexif().get(ExifTags.Base.Orientation, 1)
            return _upright(values, turn), True
        return from_pillow(image), True


def from_pillow(image: Image.Image) -> np.ndarray:
    """A picture of PIL's, upright: palettes as RGB, bits as 0 and 1."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ('P', 'PA'):
        alpha = image.mode == 'PA' or 'transparency' in image.info
        image = image.convert('RGBA' if alpha else 'RGB')
    return np.asarray(image)


def _decode_tiff(data: bytes) -> tuple[np.ndarray, bool]:
    """See :func:`decode`: the first series, pages as channels."""
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            'reading the channels of a TIFF needs tifffile: pip install '
            'tifffile (and imagecodecs for LZW, JPEG and the like)'
        ) from error
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first = file.pages.first
        if first.photometric == tifffile.PHOTOMETRIC.PALETTE:
            with Image.open(io.BytesIO(data)) as image:
                return from_pillow(image), True
        turn = first.tags.valueof(ExifTags.Base.Orientation, 1)
        series, *others = file.series
        values, axes = series.asarray(), series.axes
        # Pages that were written one by one are a series each.
        if others and all(
            (other.axes, other.shape, other.dtype)
            == ('YX', series.shape, series.dtype)
            for other in others
        ):
            values = np.stack([values, *(o.asarray() for o in others)])
            axes = f'I{axes}'
    flat = tuple(
        place
        for place, name in enumerate(axes)
        if values.shape[place] == 1 and name not in 'YX'
    )
    values = values.squeeze(flat)
    axes = ''.join(n for place, n in enumerate(axes) if place not in flat)
    # Which end of others they are at is told by their number.
    found = axes.find('S') if 'S' in axes else axes.find('C')
    if values.ndim == 3 and found >= 0:
        values, axes = np.moveaxis(values, found, 2), 'YXS'
    known = axes in ('YX', 'YXS')
    return _upright(values, turn, max(axes.find('Y'), 0)), known


def _upright(values: np.ndarray, turn: int, rows: int = 0) -> np.ndarray:
    """Undo the camera's rotation.

    Args:
        values: With rows and, behind them, columns.
        turn: As EXIF and TIFF have it, from 1 to 8; others are 1.
        rows: The axis of the rows.
    """
    columns = rows + 1
    if turn in (5, 6, 7, 8):
        values = values.swapaxes(rows, columns)
    if turn in (3, 4, 7, 8):
        values = np.flip(values, rows)
    return np.flip(values, columns) if turn in (2, 3, 6, 7) else values
