"""Decoding no more of a JPEG than its crop needs."""

import io

import mmcv
import numpy as np
from mmengine import fileio
from mmpretrain.datasets import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from .loading import LoadUprightImage, UnreadablePictureError

ORIENTATION = 0x0112


@TRANSFORMS.register_module()
class LoadRandomResizedCrop(RandomResizedCrop):
    """Load and crop in one, decoding a JPEG at reduced size if that will do.

    Stands for ``LoadUprightImage`` and ``RandomResizedCrop`` and draws the
    same crop. A JPEG decodes at 1/2, 1/4 or 1/8 of its size for a fraction
    of the time; that is done where the crop still has at least the pixels
    of the output. An approximation: the reduction averages pixels where the
    bicubic filter would weigh them. All else is decoded whole.

    Required keys: ``img_path``. Added keys: ``img``, uint8 BGR,
    ``ori_shape`` and ``img_shape``, both ``(H, W)``.

    Args:
        scale: Side of the output, in pixels.
        crop_ratio_range: Area of the crop as a share of the picture's.
    """

    def __init__(
        self,
        scale: int,
        crop_ratio_range: tuple[float, float] = (0.2, 1.0),
    ) -> None:
        super().__init__(
            scale=scale,
            crop_ratio_range=tuple(crop_ratio_range),
            backend='pillow',
            interpolation='bicubic',
        )
        self.load = LoadUprightImage()

    def transform(self, results: dict) -> dict:
        """Load and crop ``results['img_path']``.

        Raises:
            UnreadablePictureError: If the file is missing or no whole picture.
        """
        path = results['img_path']
        try:
            data = fileio.get(path)
            with Image.open(io.BytesIO(data)) as image:
                upright = image.getexif().get(ORIENTATION, 1) == 1
                if image.format == 'JPEG' and upright:
                    rgb, size = self.decode_crop(image)
                    results['img'] = mmcv.rgb2bgr(np.asarray(rgb))
                    results['ori_shape'] = size[::-1]
                    results['img_shape'] = rgb.size[::-1]
                    return results
        except Exception as error:
            reason = f'{type(error).__name__}: {error}'
            raise UnreadablePictureError(path, reason) from error
        return super().transform(self.load(results))

    def decode_crop(
        self, image: Image.Image
    ) -> tuple[Image.Image, tuple[int, int]]:
        """The resized crop of an opened JPEG, and the size ``(W, H)`` it had.

        Args:
            image: Opened, but not yet decoded.
        """
        width, height = image.size
        # The parent reads nothing but the shape.
        shape_only = np.broadcast_to(np.uint8(0), (height, width, 3))
        top, left, rows, columns = self.rand_crop_params(shape_only)
        side = self.scale[0]
        spare = min(rows, columns) / side
        if spare > 1:
            # Pillow takes the smallest decoding that is no smaller.
            image.draft(None, (round(width / spare), round(height / spare)))
        x, y = image.width / width, image.height / height
        box = (left * x, top * y, (left + columns) * x, (top + rows) * y)
        rgb = image.convert('RGB')
        if (x, y) == (1, 1):
            # Cropped first the filter sees nothing beyond, as in the parent.
            rgb = rgb.crop((left, top, left + columns, top + rows))
            box = (0, 0, columns, rows)
        crop = rgb.resize((side, side), Image.Resampling.BICUBIC, box)
        return crop, (width, height)
