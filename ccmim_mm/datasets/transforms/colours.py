"""Colours, alike on either line of OpenMMLab."""

import mmcv
import numpy as np
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets.transforms import ColorJitter
from PIL import Image


@TRANSFORMS.register_module()
class WrappedHueColorJitter(ColorJitter):
    """mmpretrain's colour jitter, with hues that wrap around below zero.

    mmcv 2.1 adds a negative number as uint8, which numpy 2 refuses;
    onedl's mmcv takes it modulo 256, as is done here. The Pillow backend
    alone. Takes the parent's arguments.

    Raises:
        ValueError: For another backend.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.backend != 'pillow':
            raise ValueError(f"backend={self.backend!r}: 'pillow' alone")

    def transform(self, results: dict) -> dict:
        """Change the colours, in the order drawn, of ``img``, uint8 BGR."""
        order, *factors = self._rand_params()
        adjust = (
            mmcv.adjust_brightness,
            mmcv.adjust_contrast,
            mmcv.adjust_color,
        )
        for i in order:
            if factors[i] is None:
                continue
            image = results['img']
            if i == 3:
                results['img'] = shift_hue(image, factors[i])
            else:
                results['img'] = adjust[i](image, factors[i], backend='pillow')
        return results


def shift_hue(image: np.ndarray, factor: float) -> np.ndarray:
    """Turn the hue.

    Args:
        image: (H, W, 3), uint8, BGR.
        factor: Turns, -0.5 to 0.5.
    """
    hsv = np.array(Image.fromarray(image[..., ::-1]).convert('HSV'))
    hsv[..., 0] += np.uint8(int(factor * 255) % 256)
    turned = Image.fromarray(hsv, 'HSV').convert('RGB')
    return np.array(turned)[..., ::-1]
