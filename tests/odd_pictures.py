"""Pictures of many kinds: unusual ones, broken ones, and what is no file.

What is drawn is one picture throughout, :data:`DRAWN`, so that the channels'
means tell whether it was read rightly.
"""

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 30, 40
_Y, _X = np.mgrid[0.5:HEIGHT, 0.5:WIDTH]
#: RGB in [0, 1], ``(30, 40, 3)``: no two channels alike, no side like another.
DRAWN = np.stack(
    [_X / WIDTH, (_Y / HEIGHT) ** 2, np.full(_X.shape, 0.2)], -1
).clip(0.01, 0.99)
GREY = DRAWN[..., 0]


class Kind(NamedTuple):
    """A kind of picture.

    Attributes:
        suffix: File name ending.
        content: The file's bytes.
        means: Of B, G and R in [0, 255]; None if it cannot be read.
        tolerance: Of the means: what the format loses.
    """

    suffix: str
    content: bytes
    means: tuple[float, ...] | None = None
    tolerance: float = 1.0


def bits(picture: np.ndarray = DRAWN, white: int = 255) -> np.ndarray:
    """A picture in integers."""
    kind = np.uint8 if white < 256 else np.uint16
    return np.rint(picture * white).astype(kind)


def encoded(
    kind: str, image: np.ndarray | Image.Image | None = None, **options
) -> bytes:
    """A picture in a format of Pillow's."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(bits() if image is None else image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cv2_encoded(suffix: str, image: np.ndarray) -> bytes:
    """RGB(A) in a format of OpenCV's."""
    order = [2, 1, 0, 3][: image.shape[-1]]
    return cv2.imencode(suffix, image[..., order])[1].tobytes()


def tiff(
    values: np.ndarray,
    photometric: int = 1,
    orientation: int = 1,
    planes: bool = False,
) -> bytes:
    """A TIFF that no library would write: any number format, any tag."""
    channels = values.reshape(*values.shape[:2], -1)
    height, width, count = channels.shape
    if planes:
        channels = channels.transpose(2, 0, 1)
    data = channels.astype(channels.dtype.newbyteorder('<')).tobytes()
    strips = count if planes else 1
    size = len(data) // strips
    # Of the tags' values what does not fit into four bytes comes behind.
    start = 8 + 2 + 12 * 12 + 4
    behind = b''
    tags = b''
    for tag, code, found in (
        (256, 'I', [width]),
        (257, 'I', [height]),
        (258, 'H', [values.dtype.itemsize * 8] * count),
        (259, 'H', [1]),
        (262, 'H', [photometric]),
        (273, 'I', [start + 100 + size * i for i in range(strips)]),
        (274, 'H', [orientation]),
        (277, 'H', [count]),
        (278, 'I', [height]),
        (279, 'I', [size] * strips),
        (284, 'H', [2 if planes else 1]),
        (339, 'H', [dict(u=1, i=2, f=3)[values.dtype.kind]] * count),
    ):
        raw = struct.pack(f'<{len(found)}{code}', *found)
        if len(raw) > 4:
            place, behind = start + len(behind), behind + raw
            raw = struct.pack('<I', place)
        tags += struct.pack('<HHI', tag, 3 if code == 'H' else 4, len(found))
        tags += raw.ljust(4, b'\0')
    return (
        b'II*\0' + struct.pack('<IH', 8, 12) + tags + bytes(4)
        + behind.ljust(100, b'\0') + data
    )  # fmt: skip


def png_of_declared_size(side: int) -> bytes:
    """A PNG that says it has another size than it has."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return (
            struct.pack('>I', len(content)) + name + content
            + struct.pack('>I', check)
        )  # fmt: skip

    header = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(b'\0' * 1000))
        + chunk(b'IEND', b'')
    )


def _means(picture: np.ndarray = DRAWN) -> tuple[float, ...]:
    """Of B, G and R; of greys thrice."""
    return tuple(255 * np.atleast_1d(picture.mean((0, 1)))[::-1].repeat(
        3 if picture.ndim == 2 else 1
    ))  # fmt: skip


def _grey(suffix: str, content: bytes, picture: np.ndarray = GREY) -> Kind:
    return Kind(suffix, content, _means(picture))


def _colour(suffix: str, content: bytes, tolerance: float = 1.0) -> Kind:
    return Kind(suffix, content, _means(), tolerance)


def _half(suffix: str, kind: str) -> Kind:
    content = encoded(kind)
    return Kind(suffix, content[: len(content) // 2])


def _turned(orientation: int) -> Kind:
    """Stored so that a viewer that heeds the tag shows what was drawn."""
    undo = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo(bits()))
    return _colour('JPG', encoded('JPEG', stored, exif=exif, quality=95), 2)


_rgba = np.concatenate([DRAWN, np.full((HEIGHT, WIDTH, 1), 0.5)], -1)
_on_white = tuple((mean + 255) / 2 for mean in _means())
_float = GREY.astype(np.float32)
_sparks = GREY * 2 - 0.7
_spoilt = np.where(GREY > 0.9, np.nan, GREY).astype(np.float32)
_image = Image.fromarray(bits())

#: Kinds that are unusual and become what they look like.
UNUSUAL = {
    'one pixel': Kind(
        'png', encoded('PNG', bits()[:1, :1]), _means(DRAWN[:1, :1])
    ),
    '1 x 30,000': _grey(
        'png', encoded('PNG', bits(np.full((30_000, 1), 0.5))), GREY * 0 + 0.5
    ),
    '30,000 x 1': _grey(
        'png', encoded('PNG', bits(np.full((1, 30_000), 0.5))), GREY * 0 + 0.5
    ),
    'grey': _grey('png', encoded('PNG', bits(GREY))),
    'grey of 16 bits': _grey('png', encoded('PNG', bits(GREY, 65535))),
    'grey of 12 bits in 16': _grey('png', encoded('PNG', bits(GREY, 4095))),
    'grey of 8 bits in 16': _grey(
        'tif', tiff(bits(GREY).astype(np.uint16))
    ),
    'white is zero, 16 bits': _grey(
        'tif', tiff(bits(1 - GREY, 65535), photometric=0)
    ),
    'int32 to 255': _grey('tif', tiff(bits(GREY).astype(np.int32))),
    'int32 to 65,535': _grey(
        'tiff', tiff(bits(GREY, 65535).astype(np.int32))
    ),
    'uint32': _grey('tif', tiff((GREY * (2**32 - 1)).astype(np.uint32)),
                    GREY / GREY.max()),
    'negative int32': _grey(
        'tif',
        tiff((_sparks * 1e6).astype(np.int32)),
        (GREY - GREY.min()) / np.ptp(GREY),
    ),
    'float to 1': _grey('tif', tiff(_float)),
    'float to 255': _grey('tif', tiff(_float * 255)),
    'float to 1e9': _grey('tif', tiff(_float * 1e9), GREY / GREY.max()),
    'negative float': _grey(
        'tif',
        tiff(_sparks.astype(np.float32)),
        (GREY - GREY.min()) / np.ptp(GREY),
    ),
    'black float': _grey('tif', tiff(_float * 0), GREY * 0),
    '16-bit RGB': _colour('png', cv2_encoded('.png', bits(white=65535))),
    '12-bit RGB in 16': _colour('png', cv2_encoded('.png', bits(white=4095))),
    '12-bit RGB TIFF, turned': _colour(
        'tif',
        tiff(np.rot90(bits(white=4095)), photometric=2, orientation=6),
    ),
    '16-bit RGBA': Kind(
        'png', cv2_encoded('.png', bits(_rgba, 65535)), _on_white
    ),
    'grey and alpha': Kind(
        'png', encoded('PNG', Image.fromarray(bits(_rgba)).convert('LA')),
        (float(np.mean(_image.convert('L'))) / 2 + 127.5,) * 3,
    ),
    'CMYK': _colour('jpg', encoded('JPEG', _image.convert('CMYK')), 4),
    'YCbCr': _colour('tif', encoded('TIFF', _image.convert('YCbCr')), 2),
    'palette': _colour('png', encoded('PNG', _image.convert('P')), 4),
    'transparent': Kind(
        'webp',
        encoded('WEBP', Image.fromarray(bits(_rgba)), lossless=True),
        _on_white,
    ),
    'animated': _colour(
        'webp',
        encoded('WEBP', save_all=True, append_images=[_image], quality=95),
        3,
    ),
    'one bit': Kind(
        'tif',
        encoded('TIFF', Image.fromarray(bits(GREY)).convert('1')),
        _means(GREY),
        4,
    ),
    'progressive': _colour(
        'jpeg', encoded('JPEG', progressive=True, quality=95), 2
    ),
    'wrong ending': _colour('jpg', encoded('PNG')),
    'ending of any case': _colour('BmP', encoded('BMP')),
    **{f'turned by EXIF {i}': _turned(i) for i in range(1, 9)},
}  # fmt: skip

#: Kinds that cannot be read.
UNREADABLE = {
    'zero bytes': Kind('jpg', b''),
    'text': Kind('jpg', b'<html>404 Not Found</html>'),
    'random bytes': Kind('png', np.random.default_rng(0).bytes(2000)),
    'JPEG cut in its header': Kind('jpg', encoded('JPEG')[:100]),
    'JPEG cut in its data': Kind('jpg', encoded('JPEG')[:-200]),
    'PNG cut in half': _half('png', 'PNG'),
    'WebP cut in half': _half('webp', 'WEBP'),
    'BMP cut in half': _half('bmp', 'BMP'),
    'TIFF cut in half': _half('tif', 'TIFF'),
    'float TIFF cut in half': Kind('tif', tiff(_float)[:3000]),
    '16-bit PNG cut in half': Kind(
        'png', cv2_encoded('.png', bits(white=65535))[:300]
    ),
    'decompression bomb': Kind('png', png_of_declared_size(100_000)),
    'PNG of zero pixels': Kind('png', png_of_declared_size(0)),
    'PNG without its data': Kind('png', png_of_declared_size(500)),
    'float with NaN': Kind('tif', tiff(_spoilt)),
    'float with inf': Kind('tif', tiff(np.nan_to_num(_spoilt, nan=np.inf))),
    'float of 64 bits': Kind('tif', tiff(GREY)),
    '16-bit RGB in planes': Kind(
        'tif', tiff(bits(white=65535), photometric=2, planes=True)
    ),
}

#: What cannot be read and is made with more than bytes; they stay listed.
NO_CONTENT: dict[str, Callable[[Path], object]] = {
    'dangling link.jpg': lambda path: path.symlink_to('nowhere'),
    'link to itself.jpg': lambda path: path.symlink_to(path.name),
    'sparse.jpg': lambda path: _sparse(path),
}
#: What is called like a picture and is no file.
NO_FILES: dict[str, Callable[[Path], object]] = {
    'pipe.jpg': os.mkfifo,
    'device.png': lambda path: path.symlink_to('/dev/zero'),
    'socket.webp': lambda path: _socket(path),
    'folder.jpg': lambda path: path.mkdir(),
}
#: Names that file systems allow.
NAMES = (
    b'caf\xe9.jpg',
    b'two\nlines.jpg',
    b'tab\tand\rreturn.jpg',
    b'escape\x1b[31m.jpg',
    b'-dash "quotes\' # % {} $a$ .jpg',
    'ünïcode \u2028 \u3000.jpg'.encode(),
    b'l' * 251 + b'.jpg',
)


def _sparse(path: Path) -> None:
    with path.open('wb') as file:
        file.truncate(1 << 40)


def _socket(path: Path) -> None:
    # The address's length is limited, so by a short way.
    here = os.open(path.parent, os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(f'/proc/self/fd/{here}/{path.name}')
    finally:
        os.close(here)
