"""Pictures of any channels are read as files have them."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from ccmim_mm.datasets import LoadChannels

HEIGHT, WIDTH = 20, 26
SHAPE = (HEIGHT, WIDTH)


def numbers(*shape, dtype=np.uint16):
    """Numbers that no 8 bits hold where the type has more."""
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == 'f':
        return rng.normal(0, 1000, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def load(path, channels):
    results = LoadChannels(channels)(dict(img_path=str(path)))
    img = results['img']
    assert img.dtype == np.float32 and img.flags['C_CONTIGUOUS']
    assert results['img_shape'] == results['ori_shape'] == img.shape[:2]
    return img


def assert_read(path, expected):
    found = load(path, expected.shape[2])
    assert np.array_equal(found, expected.astype(np.float32))


TYPES = ['uint8', 'uint16', 'int16', 'float32', 'float64', 'bool']


@pytest.mark.parametrize('dtype', TYPES)
def test_arrays_of_any_numbers_keep_their_values(tmp_path, dtype):
    source = 'uint8' if dtype == 'bool' else dtype
    values = numbers(*SHAPE, 5, dtype=source).astype(dtype)
    np.save(tmp_path / 'a.npy', values)
    assert_read(tmp_path / 'a.npy', values)


def test_the_channels_of_an_array_are_at_either_end_or_one(tmp_path):
    path = tmp_path / 'a.npy'
    values = numbers(*SHAPE, 13)
    np.save(path, np.moveaxis(values, 2, 0))
    assert_read(path, values)
    np.save(path, values[..., 0])
    assert_read(path, values[..., :1])
    np.save(path, np.asfortranarray(values))
    assert_read(path, values)
    # Where both ends are of as many, the last is taken.
    both = numbers(4, WIDTH, 4)
    np.save(path, both)
    assert_read(path, both)


LAYOUTS = {
    'interleaved': dict(planarconfig='contig'),
    'planes': dict(planarconfig='separate'),
    'pages': {},
    'pages of a stack': dict(metadata=dict(axes='CYX')),
    'big-endian': dict(planarconfig='contig', byteorder='>'),
    'BigTIFF': dict(planarconfig='contig', bigtiff=True),
    'tiles': dict(planarconfig='contig', tile=(16, 16)),
    'deflated': dict(planarconfig='contig', compression='zlib'),
}


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32'])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_tiff_has_its_channels_where_it_likes(tmp_path, layout, dtype):
    values = numbers(*SHAPE, 13, dtype=dtype)
    kept = LAYOUTS[layout]
    stored = values
    if kept.get('planarconfig') != 'contig':
        stored = np.moveaxis(values, 2, 0)
    tifffile.imwrite(
        tmp_path / 'a.tif', stored, photometric='minisblack', **kept
    )
    assert_read(tmp_path / 'a.tif', values)


def test_pages_that_were_written_one_by_one(tmp_path):
    values = numbers(*SHAPE, 5)
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        for page in np.moveaxis(values, 2, 0):
            file.write(page, photometric='minisblack', contiguous=False)
    assert_read(tmp_path / 'a.tif', values)


@pytest.mark.parametrize('shape', [(1, 9, 5), (9, 1, 5), (1, 1, 1)])
def test_a_tiff_of_one_row_or_column(tmp_path, shape):
    values = numbers(*shape)
    tifffile.imwrite(
        tmp_path / 'a.tif',
        values if shape[2] > 1 else values[..., 0],
        photometric='minisblack',
        planarconfig='contig' if shape[2] > 1 else None,
    )
    assert_read(tmp_path / 'a.tif', values)


@pytest.mark.parametrize('channels', [1, 2, 3, 4])
def test_tiffs_of_few_channels(tmp_path, channels):
    values = numbers(*SHAPE, channels)
    stored = values if channels > 1 else values[..., 0]
    tifffile.imwrite(
        tmp_path / 'a.tif',
        stored,
        photometric='minisblack',
        **({} if channels == 1 else dict(planarconfig='contig')),
    )
    assert_read(tmp_path / 'a.tif', values)


def test_pictures_of_8_bits_have_the_channels_of_their_files(tmp_path):
    path = tmp_path / 'a.png'
    for mode, channels in (('L', 1), ('LA', 2), ('RGB', 3), ('RGBA', 4)):
        values = numbers(*SHAPE, channels, dtype=np.uint8)
        Image.fromarray(values.squeeze(), mode).save(path)
        assert_read(path, values)


def test_pngs_of_16_bits_keep_them_in_the_order_of_the_file(tmp_path):
    path = tmp_path / 'a.png'
    for channels in (1, 3, 4):
        values = numbers(*SHAPE, channels)
        # OpenCV writes what is in front as blue.
        order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
        cv2.imwrite(str(path), values[..., order])
        assert_read(path, values)


def test_grey_and_alpha_of_16_bits_are_two_channels(tmp_path):
    values = numbers(*SHAPE, 2)

    def chunk(name, content):
        check = struct.pack('>I', zlib.crc32(name + content))
        return struct.pack('>I', len(content)) + name + content + check

    lines = b''.join(b'\0' + row.astype('>u2').tobytes() for row in values)
    header = struct.pack('>IIBBBBB', WIDTH, HEIGHT, 16, 4, 0, 0, 0)
    (tmp_path / 'a.png').write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(lines))
        + chunk(b'IEND', b'')
    )
    assert_read(tmp_path / 'a.png', values)


def turned(values, suffix, **options):
    """A picture that was taken turned, by its file's word."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(values).save(file, suffix, exif=exif, **options)
    return file.getvalue()


def test_what_was_taken_turned_is_upright(tmp_path):
    values = np.zeros((*SHAPE, 3), np.uint8)
    values[:, :13] = 240, 120, 40
    expected = np.rot90(values, -1)
    path = tmp_path / 'a.jpg'
    path.write_bytes(turned(values, 'JPEG', quality=100, subsampling=0))
    found = load(path, 3)
    assert found.shape == expected.shape
    assert np.abs(found - expected)[:11].max() < 8
    assert np.abs(found - expected)[15:].max() < 8
    path = tmp_path / 'a.png'
    path.write_bytes(turned(values, 'PNG'))
    assert_read(path, expected)


def test_deep_colours_and_bands_that_were_taken_turned_too(tmp_path):
    values = numbers(*SHAPE, 3)
    cv2.imwrite(str(tmp_path / 'deep.png'), values[..., ::-1])
    data = (tmp_path / 'deep.png').read_bytes()
    eight = turned(np.zeros((4, 4, 3), np.uint8), 'PNG')
    start = eight.index(b'eXIf') - 4
    length = 12 + int.from_bytes(eight[start : start + 4], 'big')
    end = data.index(b'IDAT') - 4
    data = data[:end] + eight[start : start + length] + data[end:]
    (tmp_path / 'deep.png').write_bytes(data)
    assert_read(tmp_path / 'deep.png', np.rot90(values, -1))
    bands = numbers(*SHAPE, 13)
    for layout in ('interleaved', 'planes'):
        inner = layout == 'interleaved'
        for turn, expected in enumerate(
            (
                bands,
                bands[:, ::-1],
                np.rot90(bands, 2),
                bands[::-1],
                bands.swapaxes(0, 1),
                np.rot90(bands, -1),
                np.rot90(bands, 2).swapaxes(0, 1),
                np.rot90(bands, 1),
            ),
            1,
        ):
            tifffile.imwrite(
                tmp_path / 'bands.tif',
                bands if inner else np.moveaxis(bands, 2, 0),
                photometric='minisblack',
                extratags=[(274, 'H', 1, turn, True)],
                **LAYOUTS[layout],
            )
            assert_read(tmp_path / 'bands.tif', expected)


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_a_palette_is_looked_up(tmp_path, suffix):
    colours = numbers(4, 3, dtype=np.uint8)
    places = numbers(*SHAPE, dtype=np.uint8) % 4
    image = Image.fromarray(places, 'P')
    image.putpalette(colours.tobytes())
    image.save(tmp_path / f'a.{suffix}')
    assert_read(tmp_path / f'a.{suffix}', colours[places])


def test_pictures_in_memory_are_read_alike():
    loading = LoadChannels(4)
    values = numbers(*SHAPE, 4, dtype=np.uint8)
    for picture in (
        values,
        np.moveaxis(values, 2, 0),
        Image.fromarray(values),
    ):
        assert np.array_equal(loading.as_channels(picture), values)
    given = dict(img=values)
    assert loading(given) is given
