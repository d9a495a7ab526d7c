"""Hues turn either way, whatever mmcv and numpy."""

import mmpretrain.datasets.transforms as stock
import numpy as np
import pytest
import torchvision.transforms.functional as F
from PIL import Image

from ccmim_mm.datasets import WrappedHueColorJitter
from ccmim_mm.datasets.transforms.colours import shift_hue


@pytest.mark.parametrize('factor', [-0.5, -0.1, -0.001, 0, 0.001, 0.3, 0.5])
def test_hue_as_torchvision(factor):
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    expected = F.adjust_hue(Image.fromarray(image[..., ::-1]), factor)
    found = shift_hue(image, factor)
    assert np.array_equal(found[..., ::-1], np.array(expected))


def test_the_rest_as_mmpretrain():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 9, 3), np.uint8)
    # A hue that mmcv 2.1 can add under numpy 2.
    args = dict(brightness=0.4, contrast=0.4, saturation=0.2, hue=[0.1, 0.2])
    for seed in range(5):
        found = []
        for kind in (stock.ColorJitter, WrappedHueColorJitter):
            np.random.seed(seed)
            found.append(kind(**args)(dict(img=image))['img'])
        assert np.array_equal(*found)
    with pytest.raises(ValueError, match='pillow'):
        WrappedHueColorJitter(**args, backend='cv2')
