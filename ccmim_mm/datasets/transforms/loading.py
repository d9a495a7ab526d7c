"""Reading pictures of any common kind as upright three-channel arrays."""

import io
import re

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.registry import TRANSFORMS
from PIL import Image, ImageOps


class UnreadablePictureError(OSError):
    """A picture that cannot be read; training goes on with another.

    Args:
        path: The file.
        reason: What the decoder said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f'{path}: {reason}')
        self.path = path
        self.reason = reason

    def __reduce__(self):
        # A worker process hands its exceptions over by pickle.
        return type(self), (self.path, self.reason)


def unreadable(path: str, error: Exception) -> UnreadablePictureError:
    """What a decoder said about a file, the same every time."""
    # Pillow names its buffer by an address that changes.
    text = re.sub(r' <_io\.BytesIO object at 0x\w+>', '', str(error))
    return UnreadablePictureError(path, f'{type(error).__name__}: {text}')


@TRANSFORMS.register_module()
class LoadReadableImage(LoadImageFromFile):
    """mmcv's loading, for runs that replace and count what is unreadable.

    Decodes as the parent to the bit, and takes its arguments.
    """

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']``.

        Raises:
            UnreadablePictureError: If the file is missing or no picture.
        """
        path = results['img_path']
        try:
            return super().transform(results)
        # Decoders raise nearly anything, mmcv an AssertionError.
        except Exception as error:
            raise unreadable(path, error) from error


@TRANSFORMS.register_module()
class LoadUprightImage(LoadImageFromFile):
    """Load a JPEG, PNG, WebP, BMP or TIFF as upright BGR.

    The camera's rotation (EXIF) is undone, grey and palette pictures get
    three channels, transparency is laid over white, and 16-bit greys are
    brought to 8 bits. BGR, as everywhere in this family; the data
    preprocessor turns it into RGB on the device.

    Required keys: ``img_path``. Added keys: ``img``, ``(H, W, 3)`` uint8
    BGR, ``img_shape`` and ``ori_shape``, both ``(H, W)``.

    Args:
        backend_args: File backend, see mmcv's ``LoadImageFromFile``.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        super().__init__(backend_args=backend_args)

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']``.

        Raises:
            UnreadablePictureError: If the file is missing or no whole picture.
        """
        path = results['img_path']
        try:
            data = fileio.get(path, backend_args=self.backend_args)
            with Image.open(io.BytesIO(data)) as image:
                rgb = to_rgb(ImageOps.exif_transpose(image))
        # Decoders raise nearly anything on broken data (struct.error,
        # ValueError, SyntaxError, DecompressionBombError, ...).
        except Exception as error:
            raise unreadable(path, error) from error
        results['img'] = mmcv.rgb2bgr(np.asarray(rgb))
        results['img_shape'] = results['ori_shape'] = rgb.size[::-1]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'


def to_rgb(image: Image.Image) -> Image.Image:
    """Bring a picture of any mode to 8-bit RGB, as it looks on white."""
    if image.mode.startswith('I;16') or image.mode == 'I':
        grey = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    if image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or (
        'transparency' in image.info
    ):
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        image = Image.alpha_composite(white, image)
    return image.convert('RGB')
