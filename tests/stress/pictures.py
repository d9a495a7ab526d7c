"""Malformed pictures of many kinds: none is fatal, all are counted."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import make_pictures, row, train
from PIL import Image

RNG = np.random.default_rng(0)


def noise(width: int = 40, height: int = 30, channels: int = 3) -> np.ndarray:
    """A picture of noise."""
    return RNG.integers(0, 255, (height, width, channels), np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **kwargs) -> bytes:
    """A picture in a format."""
    buffer = io.BytesIO()
    image = image or Image.fromarray(noise())
    image.save(buffer, kind, **kwargs)
    return buffer.getvalue()


def png_of_declared_size(side: int) -> bytes:
    """A PNG that says it is enormous."""

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


def half(kind: str) -> bytes:
    """The first half of a picture's file."""
    content = encoded(kind)
    return content[: len(content) // 2]


#: Kinds that cannot be read, with their file name ending.
UNREADABLE: dict[str, tuple[str, Callable[[], bytes]]] = {
    'zero bytes': ('jpg', lambda: b''),
    'text': ('jpg', lambda: b'<html>404 Not Found</html>'),
    'random bytes': ('png', lambda: RNG.bytes(2000)),
    'JPEG cut in its header': ('jpg', lambda: encoded('JPEG')[:100]),
    'JPEG cut in its data': ('jpg', lambda: encoded('JPEG')[:-400]),
    'PNG cut in half': ('png', lambda: half('PNG')),
    'WebP cut in half': (
        'webp',
        lambda: half('WEBP'),
    ),
    'BMP cut in half': ('bmp', lambda: half('BMP')),
    'TIFF cut in half': ('tif', lambda: half('TIFF')),
    'decompression bomb': ('png', lambda: png_of_declared_size(100_000)),
    'PNG of zero pixels': ('png', lambda: png_of_declared_size(0)),
    'PNG without its data': ('png', lambda: png_of_declared_size(500)),
}
#: Kinds that are unusual and become right RGB.
UNUSUAL: dict[str, tuple[str, Callable[[], bytes]]] = {
    'one pixel': ('png', lambda: encoded('PNG', Image.fromarray(noise(1, 1)))),
    '1 x 3,000': (
        'png',
        lambda: encoded('PNG', Image.fromarray(noise(1, 3000))),
    ),
    '16 bit': (
        'png',
        lambda: encoded(
            'PNG', Image.fromarray(noise().astype(np.uint16)[..., 0] * 257)
        ),
    ),
    'CMYK': (
        'jpg',
        lambda: encoded('JPEG', Image.fromarray(noise()).convert('CMYK')),
    ),
    'palette with transparency': (
        'png',
        lambda: encoded(
            'PNG', Image.fromarray(noise()).convert('P'), transparency=0
        ),
    ),
    'transparent': (
        'webp',
        lambda: encoded('WEBP', Image.fromarray(noise(channels=4))),
    ),
    'animated': (
        'webp',
        lambda: encoded(
            'WEBP',
            save_all=True,
            append_images=[Image.fromarray(noise()) for _ in range(3)],
        ),
    ),
    'one bit': (
        'tif',
        lambda: encoded('TIFF', Image.fromarray(noise()).convert('1')),
    ),
    'wrong ending': ('jpg', lambda: encoded('PNG')),
}


def check(folder: Path, each: int = 18) -> dict:
    """Train on good pictures among which the others are strewn."""
    # A number that whole batches of 8 use up, so that every file is read.
    good = 302
    data = make_pictures(folder / 'pictures', good)
    for kinds in (UNREADABLE, UNUSUAL):
        for kind, (suffix, make) in kinds.items():
            for i in range(each):
                name = f'{kind.replace(" ", "_")}_{i}.{suffix}'
                (data / name).write_bytes(make())
    options = {
        'train_cfg.max_epochs': 1,
        'train_dataloader.dataset.cache_dir': str(folder / 'cache'),
    }
    # More than 1 % are broken here: that they stop a run is its own line.
    try:
        train(data, folder / 'stopped', options)
        stopped = 'went on'
    except OSError as error:
        stopped = f'stopped ({str(error).partition(":")[0]})'
    work_dir = folder / 'run'
    train(data, work_dir, options | _allowing_all())
    listed = (work_dir / 'bad_images.txt').read_text().splitlines()
    names = {Path(line.partition(': ')[0]).name for line in listed}
    broken = {
        path.name
        for kind in UNREADABLE
        for path in data.glob(f'{kind.replace(" ", "_")}_*')
    }
    return row(
        'malformed pictures',
        f'{len(broken)} unreadable of {len(UNREADABLE)} kinds, '
        f'{each * len(UNUSUAL)} unusual of {len(UNUSUAL)}, among {good} good',
        f'0 crashes, {len(names & broken)} listed, {len(names - broken)} '
        f'listed wrongly; at the default limit: {stopped}',
        names == broken and stopped.startswith('stopped'),
    )


def _allowing_all() -> dict:
    from common import ROOT
    from mmengine.config import Config

    hooks = Config.fromfile(ROOT / 'tests/tiny_config.py').custom_hooks
    place = [hook.type for hook in hooks].index('UnreadablePictureHook')
    return {f'custom_hooks.{place}.max_share': 1.0}
