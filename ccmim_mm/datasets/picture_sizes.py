"""How large pictures are as a run loads them."""

from pathlib import Path

from PIL import Image

from .transforms import LoadReadableImage

#: EXIF orientations that swap width and height.
_TURNED = (5, 6, 7, 8)


def size_as_loaded(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture as it is loaded, turned upright.

    Raises:
        OSError: If it cannot be read.
    """
    with Image.open(path) as image:
        if image.getexif().get(0x0112) not in _TURNED:
            return image.size
    # Which kinds of files are turned is up to their decoder.
    loaded = LoadReadableImage().transform(dict(img_path=str(path)))
    height, width = loaded['img_shape']
    return width, height
