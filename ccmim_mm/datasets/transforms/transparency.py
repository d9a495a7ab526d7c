"""Pictures that one can see through, as they look on white."""

from PIL import Image

from .depth import TIFF

#: Bits of WebP's headers: of one with several parts, of a lossless one.
_WEBP = {b'VP8X': (20, 0x10), b'VP8L': (24, 0x10)}


def may_be_transparent(data: bytes) -> bool:
    """Whether a file's first bytes allow that something shines through."""
    if data.startswith(b'\x89PNG'):
        # Kinds with alpha; a palette's own stands before the pixels.
        return data[25:26] in (b'\4', b'\6') or (
            b'tRNS' in data[: data.find(b'IDAT')]
        )
    if data.startswith(b'RIFF'):
        place, bit = _WEBP.get(data[12:16], (0, 0))
        return bool(bit and len(data) > place and data[place] & bit)
    return data.startswith(TIFF)


def is_transparent(image: Image.Image) -> bool:
    """Whether a picture says of its pixels how far one sees through."""
    return image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or (
        'transparency' in image.info
    )


def on_white(image: Image.Image) -> Image.Image:
    """A picture with alpha as it looks on white, RGBA."""
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    return Image.alpha_composite(white, image)
