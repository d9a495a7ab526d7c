"""Reading pictures of any common kind as upright three-channel arrays."""

import io
import os
import stat

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.registry import TRANSFORMS
from PIL import ExifTags, Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from .depth import (
    is_deep_colour,
    is_deep_grey,
    may_be_deep,
    read_deep_colour,
    read_deep_grey,
)
from .jpeg import decode_plain
from .transparency import is_transparent, may_be_transparent, on_white
from .unreadable import many_channels, unreadable

#: A file of more bytes is taken for no picture. Chosen here.
MAX_BYTES = 1 << 30


def read_file(path: str, backend_args: dict | None = None) -> bytes:
    """A picture's file; what would never end is not begun.

    Args:
        path: The file.
        backend_args: File backend, see mmengine's ``fileio.get``.

    Raises:
        OSError: If it is missing or, on a local disk, no regular file (a
            pipe, a device) or larger than ``MAX_BYTES``.
    """
    backend = fileio.get_file_backend(path, backend_args=backend_args)
    if isinstance(backend, fileio.LocalBackend):
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise OSError('no regular file')
        if state.st_size > MAX_BYTES:
            raise OSError(
                f'{state.st_size} bytes, more than the {MAX_BYTES} of a '
                'picture'
            )
    return backend.get(path)


@TRANSFORMS.register_module()
class LoadReadableImage(LoadImageFromFile):
    """mmcv's loading, for runs that replace and count what is unreadable.

    Decodes as the parent to the bit, and takes its arguments, but in colour
    pictures of more than 8 bits a channel and transparent ones: OpenCV keeps
    the top 8 bits, which leaves many black, and shows what is hidden, and
    here they look as :class:`LoadUprightImage` has them.
    """

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']``.

        Raises:
            UnreadablePictureError: If the file is missing or no picture.
        """
        path = results['img_path']
        try:
            img = self._decode(
                read_file(path, self.backend_args or self.file_client_args)
            )
        # Decoders raise nearly anything.
        except Exception as error:
            failure = unreadable(path, error)
            if self.ignore_empty:
                return None
            raise failure from error
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def _decode(self, data: bytes) -> np.ndarray:
        if self.color_type == 'color' and (
            may_be_deep(data) or may_be_transparent(data)
        ):
            with Image.open(io.BytesIO(data)) as image:
                if (
                    is_deep_colour(image)
                    or is_deep_grey(image)
                    or is_transparent(image)
                ):
                    return to_bgr(image)
        img = mmcv.imfrombytes(
            data, flag=self.color_type, backend=self.imdecode_backend
        )
        if img is None:
            raise ValueError('the decoder finds no picture in it')
        return img


@TRANSFORMS.register_module()
class LoadUprightImage(LoadImageFromFile):
    """Load a JPEG, PNG, WebP, BMP or TIFF as upright BGR.

    The camera's rotation (EXIF) is undone, grey and palette pictures get
    three channels, transparency is laid over white, and more than 8 bits a
    channel, floats too, are brought to 8 by their range, see
    :func:`ccmim_mm.datasets.transforms.depth.to_8_bits`. BGR, as everywhere
    in this family; the data preprocessor turns it into RGB on the device.

    Required keys: ``img_path``, or ``img``: what has been loaded, as
    mmpretrain's inferencers do, is left as it is. Added keys: ``img``,
    ``(H, W, 3)`` uint8 BGR, ``img_shape`` and ``ori_shape``, both ``(H, W)``.

    Args:
        backend_args: File backend, see mmcv's ``LoadImageFromFile``.
        decoder: ``pillow``, or ``opencv`` for JPEGs of the common kind, see
            :func:`ccmim_mm.datasets.transforms.jpeg.decode_plain`, and
            Pillow for the rest: the same bits of whole files, sooner, of
            pictures of some 64 pixels above all
            (docs/performance.md#pictures).

    Raises:
        ValueError: For another decoder.
    """

    def __init__(
        self, backend_args: dict | None = None, decoder: str = 'pillow'
    ) -> None:
        super().__init__(backend_args=backend_args)
        if decoder not in ('pillow', 'opencv'):
            raise ValueError(f'decoder={decoder!r}: set pillow or opencv')
        self.decoder = decoder

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']``.

        Raises:
            UnreadablePictureError: If the file is missing or no whole picture.
        """
        if 'img' in results:
            return results
        found = self.open(results['img_path'])
        if isinstance(found, Image.Image):
            found = mmcv.rgb2bgr(np.asarray(found))
        results['img'] = img = found
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def open(self, path: str) -> Image.Image | np.ndarray:
        """The picture in a file as :func:`to_rgb` has it, or a BGR array.

        Raises:
            UnreadablePictureError: If the file is missing or no whole picture.
        """
        data = b''
        try:
            data = read_file(path, self.backend_args)
            if self.decoder == 'opencv':
                decoded = decode_plain(data)
                if decoded is not None:
                    return decoded
            with Image.open(io.BytesIO(data)) as image:
                if _is_plain(image):
                    image.load()
                    return image
                return to_rgb(image)
        # Decoders raise nearly anything on broken data (struct.error,
        # ValueError, SyntaxError, DecompressionBombError, ...).
        except Exception as error:
            raise unreadable(path, error, many_channels(data)) from error

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(backend_args={self.backend_args}, '
            f'decoder={self.decoder!r})'
        )


def _is_plain(image: Image.Image) -> bool:
    """Whether what has just been opened is RGB of 8 bits that nothing turns.

    Most pictures are, and need not be asked for more.
    """
    return (
        isinstance(image, JpegImageFile)
        and image.mode == 'RGB'
        # Of EXIF and of XMP.
        and 'APP1' not in image.app
    )


def to_bgr(image: Image.Image) -> np.ndarray:
    """What :func:`to_rgb` makes of a picture: ``(H, W, 3)``, BGR, uint8."""
    return mmcv.rgb2bgr(np.asarray(to_rgb(image)))


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode, upright, as it looks on white.

    Args:
        image: As opened: Pillow cuts 16-bit colours when it loads them.

    Returns:
        RGB, its pixels loaded; ``image`` itself where that is so.

    Raises:
        ValueError: If its values are not finite, or OSError, SyntaxError and
            the like of Pillow's if it is broken.
    """
    if is_deep_colour(image):
        image = read_deep_colour(image)
    elif is_deep_grey(image):
        image = read_deep_grey(image)
    else:
        image.load()
        # Else exif_transpose copies what it need not turn.
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            image = ImageOps.exif_transpose(image)
    if is_transparent(image):
        image = on_white(image)
    return image if image.mode == 'RGB' else image.convert('RGB')
