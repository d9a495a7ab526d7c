"""Files of many kinds become what they look like, or are unreadable."""

import io
import os
import pickle

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmpretrain.datasets.transforms import ResizeEdge
from odd_pictures import (
    HEIGHT,
    NAMES,
    NO_CONTENT,
    NO_FILES,
    UNREADABLE,
    UNUSUAL,
    WIDTH,
)
from PIL import Image

from ccmim_mm.datasets import (
    CappedResizeEdge,
    LoadChannels,
    LoadReadableImage,
    LoadUprightImage,
    UnreadablePictureError,
)
from ccmim_mm.datasets.transforms.loading import to_bgr


def load(path):
    return LoadUprightImage()(dict(img_path=str(path)))['img']


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'bmp', 'tiff'])
def test_formats_come_out_bgr(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.new('RGB', (20, 10), (200, 100, 50)).save(path)
    img = load(path)
    assert img.shape == (10, 20, 3) and img.dtype == np.uint8
    assert np.abs(img.astype(int) - (50, 100, 200)).max() <= 3


@pytest.mark.parametrize(
    ('mode', 'colour', 'expected'),
    [
        ('L', 90, (90, 90, 90)),
        ('LA', (90, 255), (90, 90, 90)),
        ('RGBA', (10, 20, 30, 255), (30, 20, 10)),
        ('RGBA', (10, 20, 30, 0), (255, 255, 255)),
        ('P', 0, (0, 0, 0)),
        ('1', 1, (255, 255, 255)),
        ('I;16', 0x8000, (128, 128, 128)),
    ],
)
def test_modes(tmp_path, mode, colour, expected):
    path = tmp_path / 'a.png'
    Image.new(mode, (6, 5), colour).save(path)
    assert (load(path) == expected).all()


@pytest.mark.parametrize('suffix', ['png', 'webp', 'tif', 'palette.png'])
def test_what_is_hidden_is_white_in_every_task(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    image = Image.new('RGBA', (6, 5), (10, 20, 30, 0))
    image.paste((10, 20, 30, 255), (0, 0, 3, 5))
    if suffix == 'palette.png':
        image = image.quantize()
    image.save(path, **(dict(lossless=True) if suffix == 'webp' else {}))
    for transform in (LoadUprightImage, LoadReadableImage):
        img = transform()(dict(img_path=str(path)))['img']
        assert (img[:, :3] == (30, 20, 10)).all()
        assert (img[:, 3:] == 255).all()


def test_cmyk(tmp_path):
    Image.new('CMYK', (8, 8), (255, 0, 0, 0)).save(tmp_path / 'a.jpg')
    blue, green, red = load(tmp_path / 'a.jpg')[4, 4].astype(int)
    assert red < 60 and green > 120 and blue > 150


def test_exif_rotation_is_undone(tmp_path):
    image = Image.new('RGB', (20, 10))
    image.paste((255, 255, 255), (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # taken turned: rotate by 90 degrees to see it upright
    image.save(tmp_path / 'a.jpg', exif=exif, quality=95)
    img = load(tmp_path / 'a.jpg')
    assert img.shape == (20, 10, 3)
    assert img[:8].mean() > 240 and img[12:].mean() < 15


@pytest.mark.parametrize('content', [b'', b'no picture', None])
def test_unreadable(tmp_path, content):
    path = tmp_path / 'a.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadablePictureError, match=r'a\.jpg'):
        load(path)


@pytest.mark.parametrize(
    'transform',
    [LoadUprightImage(), LoadUprightImage(decoder='opencv'), LoadChannels(3)],
)
def test_what_is_too_large_is_to_be_cut(tmp_path, transform, monkeypatch):
    path = tmp_path / 'a.jpg'
    Image.new('RGB', (50, 50)).save(path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    message = r'2500 pixels.* limit of 2000 .*: cut it into tiles$'
    with pytest.raises(UnreadablePictureError, match=message):
        transform(dict(img_path=str(path)))


def test_truncated(tmp_path):
    path = tmp_path / 'a.jpg'
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UnreadablePictureError):
        load(path)


@pytest.mark.parametrize('kind', UNUSUAL)
@pytest.mark.parametrize('transform', [LoadUprightImage, LoadReadableImage])
def test_unusual_kinds_become_what_they_look_like(tmp_path, kind, transform):
    suffix, content, means, tolerance = UNUSUAL[kind]
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(content)
    results = transform()(dict(img_path=str(path)))
    img = results['img']
    assert img.dtype == np.uint8 and img.shape == (*results['img_shape'], 3)
    assert img.mean((0, 1)) == pytest.approx(means, abs=tolerance)
    if 'x' not in kind and kind != 'one pixel':
        # Upright: the left side is the dark one, the upper one too.
        assert img.shape == (HEIGHT, WIDTH, 3)
        left, right = img[:, :10].mean(), img[:, -10:].mean()
        dark = kind == 'black float'
        assert left < right - 20 or dark


@pytest.mark.parametrize('kind', UNREADABLE)
def test_broken_kinds_are_unreadable(tmp_path, kind):
    suffix, content, *_ = UNREADABLE[kind]
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(content)
    with pytest.raises(UnreadablePictureError, match=r'a\.'):
        load(path)
    if 'float' in kind or 'planes' in kind:
        with pytest.raises(UnreadablePictureError, match=r'a\.'):
            LoadReadableImage()(dict(img_path=str(path)))


@pytest.mark.parametrize('transform', [LoadUprightImage, LoadReadableImage])
def test_what_is_no_picture_file_is_never_read(tmp_path, transform):
    for name, make in {**NO_FILES, **NO_CONTENT}.items():
        make(tmp_path / name)
        with pytest.raises(UnreadablePictureError, match=name):
            transform()(dict(img_path=str(tmp_path / name)))


@pytest.mark.parametrize('name', NAMES)
def test_an_error_is_one_printable_line(tmp_path, name):
    with pytest.raises(UnreadablePictureError) as caught:
        load(os.path.join(tmp_path, os.fsdecode(name)))
    line = str(caught.value)
    assert line.isprintable()
    assert caught.value.path.endswith(os.fsdecode(name))
    assert str(pickle.loads(pickle.dumps(caught.value))) == line


def test_a_16_bit_picture_opened_by_pillow(tmp_path):
    """It must not have been loaded yet, which cuts it."""
    content = UNUSUAL['12-bit RGB in 16'].content
    with Image.open(io.BytesIO(content)) as image:
        opened = to_bgr(image)
    (tmp_path / 'a.png').write_bytes(content)
    assert np.array_equal(load(tmp_path / 'a.png'), opened)


RESIZE = dict(edge='short', backend='pillow', interpolation='bicubic')


@pytest.mark.parametrize('size', [(40, 30), (30, 40), (240, 30), (8, 1)])
def test_within_the_cap_resizing_is_mmpretrains_to_the_bit(size):
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    expected = ResizeEdge(64, **RESIZE)(dict(img=pixels))
    found = CappedResizeEdge(64, **RESIZE)(dict(img=pixels.copy()))
    assert np.array_equal(found.pop('img'), expected.pop('img'))
    assert found == expected


@pytest.mark.parametrize('shape', [(30_000, 1, 3), (1, 30_000, 3)])
def test_of_a_thin_picture_the_middle_is_resized(shape):
    pixels = np.zeros(shape, np.uint8)
    pixels.reshape(-1, 3)[14_900:15_100] = 200
    results = dict(
        img=pixels, gt_seg_map=pixels[..., 0].copy(), seg_fields=['gt_seg_map']
    )
    found = CappedResizeEdge(256, **RESIZE)(results)
    assert sorted(found['img_shape']) == [256, 2048]
    assert (found['img'] == 200).all() and (found['gt_seg_map'] == 200).all()
    assert found['gt_seg_map'].shape == found['img_shape']
    with pytest.raises(ValueError, match='max_aspect must be >= 1'):
        CappedResizeEdge(256, max_aspect=0.5)


def test_a_label_map_is_resized_along():
    label_map = np.zeros((40, 60), np.uint8)
    label_map[:, 30:] = 3
    results = dict(
        img=np.zeros((40, 60, 3), np.uint8),
        gt_seg_map=label_map,
        seg_fields=['gt_seg_map'],
    )
    found = CappedResizeEdge(20, **RESIZE)(results)
    assert found['gt_seg_map'].shape == (20, 30)
    assert found['gt_seg_map'].mean(0).tolist() == [0] * 15 + [3] * 15


@pytest.mark.parametrize('kind', ['CMYK', 'palette', 'grey', 'animated'])
def test_eight_bits_are_decoded_as_mmcv_does(tmp_path, kind):
    path = tmp_path / f'a.{UNUSUAL[kind].suffix}'
    path.write_bytes(UNUSUAL[kind].content)
    expected = LoadImageFromFile()(dict(img_path=str(path)))
    found = LoadReadableImage()(dict(img_path=str(path)))
    assert np.array_equal(found.pop('img'), expected.pop('img'))
    assert found == expected
