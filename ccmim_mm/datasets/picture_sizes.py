"""How large pictures are as a run loads them, and whether it can."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from .problems import problems_of, refuse
from .transforms import (
    LoadChannels,
    LoadReadableImage,
    UnreadablePictureError,
)

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
            if image.getexif().get(ExifTags.Base.Orientation) not in _TURNED:
                return image.size
    # Which kinds of files are turned is up to their decoder.
    height, width = _loaded(path, channels)['img_shape']
    return width, height


def check_readable(paths: Iterable[Path], channels: int | None = None) -> None:
    """Load pictures to judge by, of which a run replaces none.

    Args:
        paths: Their files.
        channels: See :func:`size_as_loaded`.

    Raises:
        ValueError: Naming the first that cannot be read.
    """

    def problem(path: Path) -> str | None:
        try:
            _loaded(path, channels)
        except UnreadablePictureError as error:
            return str(error)
        return None

    refuse(
        'pictures to judge by',
        problems_of(paths, problem),
        'replace it, or remove it with its annotations: in a training alone '
        'another one takes its place',
    )


def _loaded(path: str | Path, channels: int | None) -> dict:
    results: dict[str, Any] = dict(img_path=str(path))
    load = LoadChannels(channels) if channels else LoadReadableImage()
    load.transform(results)
    return results
