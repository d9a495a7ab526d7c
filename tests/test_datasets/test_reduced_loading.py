import numpy as np
import pytest
from mmengine.dataset import Compose
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from ccmim_mm.datasets import LoadRandomResizedCrop, UnreadablePictureError

EXACT = [
    dict(type='LoadUprightImage'),
    dict(
        type='RandomResizedCrop',
        scale=32,
        crop_ratio_range=(0.2, 1.0),
        backend='pillow',
        interpolation='bicubic',
    ),
]


def picture(path, size, **options):
    """Smooth waves, which every way of reducing keeps, and some texture."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    waves = [np.sin(x / size[0] * a + y / size[1] * b) for a, b in WAVES]
    pixels = np.stack(waves, axis=-1) * 100 + 128
    noise = np.random.default_rng(0).integers(-20, 20, pixels.shape)
    image = Image.fromarray((pixels + noise).astype(np.uint8))
    image.save(path, **options)
    return str(path)


WAVES = ((3, 1), (1, 4), (5, 5))


def both(path, seed):
    exact = Compose([TRANSFORMS.build(t) for t in EXACT])
    crops = []
    for pipeline in (exact, LoadRandomResizedCrop(32)):
        np.random.seed(seed)
        results = pipeline(dict(img_path=path))
        crops.append((results, np.random.random()))
    return crops


@pytest.mark.parametrize('name', ['small.jpg', 'large.png', 'turned.jpg'])
def test_what_cannot_be_reduced_is_exact(tmp_path, name):
    exif = Image.Exif()
    if name == 'turned.jpg':
        exif[0x0112] = 6
    size = (30, 40) if name == 'small.jpg' else (300, 200)
    path = picture(tmp_path / name, size, exif=exif)
    for seed in range(5):
        (exact, draw), (reduced, other_draw) = both(path, seed)
        np.testing.assert_array_equal(exact['img'], reduced['img'])
        assert exact['ori_shape'] == reduced['ori_shape']
        assert draw == other_draw


def test_a_reduced_crop_is_nearly_the_same_crop(tmp_path):
    path = picture(tmp_path / 'large.jpg', (600, 400), quality=95)
    for seed in range(5):
        (exact, draw), (reduced, other_draw) = both(path, seed)
        assert draw == other_draw
        assert reduced['ori_shape'] == (400, 600)
        assert reduced['img'].shape == (32, 32, 3)
        error = exact['img'].astype(float) - reduced['img']
        # Waves span 200 levels; a crop off by a pixel of 32 shows as 5.
        assert np.abs(error).mean() < 2.5


def test_the_decoder_is_asked_for_no_more_than_is_needed(tmp_path):
    path = picture(tmp_path / 'large.jpg', (1024, 512), quality=95)
    load = LoadRandomResizedCrop(32, crop_ratio_range=(1.0, 1.0))
    with Image.open(path) as image:
        _, size = load.decode_crop(image)
        assert size == (1024, 512)
        # 512 rows to 32 allow for 1/16; the decoder's least is 1/8.
        assert image.size == (128, 64)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / 'broken.jpg'
    path.write_bytes(b'\xff\xd8\xff nothing')
    for name in (path, tmp_path / 'absent.jpg'):
        with pytest.raises(UnreadablePictureError, match=name.name):
            LoadRandomResizedCrop(32)(dict(img_path=str(name)))
