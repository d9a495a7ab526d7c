"""OpenCV's decoding against Pillow's: the same pictures, the same refusals."""

import io

import numpy as np
import pytest
from odd_pictures import UNREADABLE, UNUSUAL, encoded
from PIL import Image

from ccmim_mm.datasets import (
    LoadUprightImage,
    PictureFolder,
    UnreadablePictureError,
)
from ccmim_mm.datasets.transforms.jpeg import decode_plain
from ccmim_mm.datasets.transforms.resizing import LoadedCrop

CROP = dict(
    type='mmpretrain.RandomResizedCrop',
    scale=(24, 32),
    crop_ratio_range=(0.2, 1.0),
    backend='pillow',
    interpolation='bicubic',
)
KINDS = {**UNUSUAL, **UNREADABLE}


def jpeg(mode='RGB', size=(45, 61), **options):
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (7, 6, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, 'JPEG', **options)
    return buffer.getvalue()


def loaded(path, decoder):
    """The picture, or what is said of it."""
    try:
        found = LoadUprightImage(decoder=decoder)(dict(img_path=str(path)))
    except UnreadablePictureError as error:
        return str(error)
    assert found['img'].flags.writeable
    return found['img']


def assert_alike(path):
    one, other = loaded(path, 'pillow'), loaded(path, 'opencv')
    assert type(one) is type(other)
    if isinstance(one, str):
        assert one == other
    else:
        assert np.array_equal(one, other)


@pytest.mark.parametrize('kind', KINDS)
def test_any_file_is_read_alike(tmp_path, kind):
    path = tmp_path / f'a.{KINDS[kind].suffix}'
    path.write_bytes(KINDS[kind].content)
    assert_alike(path)


@pytest.mark.parametrize(
    'options',
    [
        dict(quality=95),
        dict(quality=10, optimize=True),
        dict(subsampling='4:4:4'),
        dict(subsampling='4:2:2'),
        dict(progressive=True),
        dict(keep_rgb=True),
        dict(restart_marker_blocks=3),
        dict(comment=b'\xff\xc0\xff\xda', dpi=(72, 72)),
        dict(size=(1, 1)),
        dict(size=(17, 400)),
    ],
    ids=str,
)
def test_the_common_kind_is_opencvs(tmp_path, options):
    data = jpeg(**options)
    assert decode_plain(data) is not None
    path = tmp_path / 'a.jpg'
    path.write_bytes(data)
    assert_alike(path)


XMP = b'<x tiff:Orientation="6"/>'


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(exif=exif)


@pytest.mark.parametrize(
    'data',
    [
        jpeg('L'),
        jpeg('CMYK'),
        turned(),
        jpeg(xmp=XMP),
        jpeg()[:-2],
        jpeg()[:300],
        jpeg()[:300] + b'\xff\xd9',
        jpeg()[:20] + b'\xff\xd9',
        b'\xff\xd8\xff\xd9',
        jpeg() + b'behind it',
        encoded('PNG'),
    ],
)
def test_others_are_left_to_pillow(tmp_path, data):
    path = tmp_path / 'a.jpg'
    path.write_bytes(data)
    assert_alike(path)


def segment(data, marker):
    """The first one of a kind, its marker too."""
    start = data.index(marker)
    size = int.from_bytes(data[start + 2 : start + 4], 'big')
    return data[start : start + 2 + size]


def behind_the_frame():
    """Turned by a segment between the frame and the scan."""
    frame = segment(jpeg(), b'\xff\xc0')
    return jpeg().replace(frame, frame + segment(jpeg(xmp=XMP), b'\xff\xe1'))


def behind_a_fill_byte():
    """Turned, and a comment has a frame where a wrong length leads to."""
    start = b'\xff\xd8\xff' + segment(jpeg(xmp=XMP), b'\xff\xe1')
    # The marker and the length's first byte, taken for a length.
    to = 4 + int.from_bytes(start[4:6], 'big')
    text = b' ' * (to - len(start) - 4) + segment(jpeg(), b'\xff\xc0')
    comment = b'\xff\xfe' + (len(text) + 2).to_bytes(2, 'big') + text
    return start + comment + jpeg()[2:]


@pytest.mark.parametrize('made', [behind_the_frame, behind_a_fill_byte])
def test_what_turns_a_picture_is_seen_wherever_it_lies(tmp_path, made):
    path = tmp_path / 'a.jpg'
    path.write_bytes(made())
    assert decode_plain(made()) is None
    assert_alike(path)
    # On its side.
    assert loaded(path, 'opencv').shape == (45, 61, 3)


def test_what_pillow_warns_of_is_left_to_it(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 45 * 61 - 1)
    assert decode_plain(jpeg()) is None
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 45 * 61)
    assert decode_plain(jpeg()) is not None


def test_crops_are_the_same(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(jpeg(size=(90, 70)))
    load = dict(type='LoadUprightImage')
    flip = dict(type='mmcv.RandomFlip', prob=0.5)
    one, other = (
        PictureFolder(str(tmp_path), [first, CROP, flip])
        for first in (load, dict(load, decoder='opencv'))
    )
    assert isinstance(other.pipeline.transforms[0], LoadedCrop)
    for seed in range(10):
        np.random.seed(seed)
        expected = one[0]
        np.random.seed(seed)
        found = other[0]
        assert np.array_equal(found.pop('img'), expected.pop('img'))
        assert found == expected


def test_there_are_two_decoders():
    with pytest.raises(
        ValueError, match="decoder='turbo': set pillow or opencv"
    ):
        LoadUprightImage(decoder='turbo')
