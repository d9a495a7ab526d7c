"""How large pictures are as a run loads them."""

from pathlib import Path

from PIL import Image

from .transforms import LoadChannels, LoadReadableImage

#: EXIF orientations that swap width and height.
_TURNED = (5, 6, 7, 8)


def size_as_loaded(
    path: str | Path, channels: int | None = None
) -> tuple[int, int]:
    """Width and height of a picture as it is loaded, turned upright.

    Args:
        path: The file.
        channels: That :class:`LoadChannels` is to find, which alone tells
            an array's rows from its channels; None if pictures are colours.

    Raises:
        OSError: If it cannot be read.
    """
    if channels is None:
        with Image.open(path) as image:
            if image.getexif().get(0x0112) not in _TURNED:
                return image.size
    # Which kinds of files are turned is up to their decoder.
    load = LoadChannels(channels) if channels else LoadReadableImage()
    height, width = load.transform(dict(img_path=str(path)))['img_shape']
    return width, height
