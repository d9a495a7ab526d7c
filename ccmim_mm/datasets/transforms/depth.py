"""Pictures of more than 8 bits a channel, brought to 8 by their range."""

from typing import IO, TypeGuard, cast

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin

#: White of 8, 12 and 16 bits; 12-bit data come in 16-bit files. Chosen here.
WHITES = (255, 4095, 65535)
#: How TIFFs begin, the last of more than 4 GiB.
TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
# A float picture of [0, 1] that was resampled goes over it a little.
_UNIT = 1.1
_TAG = ExifTags.Base


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """Bring pixels of any number format to 8 bits, as they look.

    White is the least of these that no pixel exceeds: 1 (floats alone), 255,
    4,095, 65,535, else the brightest pixel. With negative values the darkest
    pixel is black and the brightest white. Chosen here: files do not say.

    Args:
        values: Of any shape and number format.

    Returns:
        The same shape, uint8.

    Raises:
        ValueError: If a value is not finite.
    """
    if broken := int((~np.isfinite(values)).sum()):
        raise ValueError(f'{broken} of {values.size} values are not finite')
    low, white = float(values.min()), float(values.max())
    scaled = values.astype(np.float64)
    if low < 0:
        scaled -= low
        white = (white - low) or 1.0
    elif values.dtype.kind == 'f' and white <= _UNIT:
        white = 1.0
    else:
        white = next((w for w in WHITES if white <= w), white)
    return np.rint(scaled * (255 / white)).clip(0, 255).astype(np.uint8)


def may_be_deep(data: bytes) -> bool:
    """Whether a file's first bytes allow more than 8 bits a channel."""
    if data.startswith(b'\x89PNG'):
        return data[24:25] == b'\x10'
    return data.startswith(TIFF)


def is_deep_grey(image: Image.Image) -> bool:
    """Whether a picture has one channel of more than 8 bits."""
    return image.mode in ('I', 'F') or image.mode.startswith('I;')


def read_deep_grey(image: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits as one of 8, upright.

    Raises:
        ValueError: If a value is not finite.
    """
    values = np.asarray(ImageOps.exif_transpose(image))
    tags = _tags(image)
    # Pillow takes unsigned numbers for signed ones.
    unsigned = tags and tags.get(_TAG.SampleFormat, (1,)) == (1,)
    if image.mode == 'I' and unsigned:
        values = values.view(np.uint32)
    grey = to_8_bits(values)
    # White is zero, which Pillow turns round for 8 bits alone.
    if tags.get(_TAG.PhotometricInterpretation) == 0:
        grey = 255 - grey
    if isinstance(transparent := image.info.get('transparency'), int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def is_deep_colour(image: Image.Image) -> TypeGuard[ImageFile.ImageFile]:
    """Whether a file has colours or alpha of 16 bits, not loaded yet."""
    if (
        not isinstance(image, ImageFile.ImageFile)
        or image.mode not in ('RGB', 'RGBA', 'RGBX', 'LA')
        or not image.tile
    ):
        return False
    if bits := _tags(image).get(_TAG.BitsPerSample):
        return max(bits) > 8
    return any(';16' in str(tile.args) for tile in image.tile)


def read_deep_colour(image: ImageFile.ImageFile) -> Image.Image:
    """A picture with 16 bits a channel as one of 8, upright.

    Args:
        image: As opened, its pixels not loaded: Pillow keeps 8 bits of each.

    Returns:
        RGB or RGBA.

    Raises:
        ValueError: If OpenCV cannot read it, or not rightly.
    """
    tags = _tags(image)
    if tags.get(_TAG.PlanarConfiguration, 1) != 1:
        raise ValueError('16-bit channels in planes of their own')
    file = cast(IO[bytes], image.fp)
    file.seek(0)
    data = np.frombuffer(file.read(), np.uint8)
    # Upright for TIFF alone.
    values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        raise ValueError('16-bit channels that OpenCV cannot read')
    channels = [to_8_bits(values[..., 2::-1])]
    if values.shape[-1] == 4:
        channels.append(to_8_bits(values[..., 3:]))
    found = Image.fromarray(np.concatenate(channels, -1))
    if not tags:
        exif = Image.Exif()
        exif[_TAG.Orientation] = image.getexif().get(_TAG.Orientation, 1)
        found.info['exif'] = exif.tobytes()
    return ImageOps.exif_transpose(found)


def _tags(image: Image.Image) -> dict:
    """Tags of a TIFF."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return {}
    return dict(image.tag_v2)
