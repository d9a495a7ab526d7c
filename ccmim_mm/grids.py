"""Sizes by height and width, and the patches that fill a picture."""

import math
from collections.abc import Sequence

#: Height and width, or rows and columns; one number is both.
Size = int | Sequence[int]


def as_pair(size: Size) -> tuple[int, int]:
    """Height and width of a size, which one number gives of a square.

    Raises:
        ValueError: If it is neither a number nor two.
    """
    if isinstance(size, int):
        return size, size
    pair = tuple(size)
    if len(pair) != 2 or not all(isinstance(side, int) for side in pair):
        raise ValueError(
            f'{size!r} is no size: give one whole number, or two, height first'
        )
    return pair[0], pair[1]


def as_size(pair: tuple[int, int]) -> int | tuple[int, int]:
    """The way back: one number for a square, as configs have it."""
    return pair[0] if pair[0] == pair[1] else pair


def in_words(size: Size) -> str:
    """``64 x 96``, height first, for people."""
    return ' x '.join(map(str, as_pair(size)))


def grid_of(count: int, picture: Size) -> tuple[int, int] | None:
    """Rows and columns of so many square patches that fill a picture.

    Args:
        count: Patches.
        picture: Its size, in pixels.

    Returns:
        None if no square patches of whole pixels do.
    """
    height, width = as_pair(picture)
    patch = math.isqrt(height * width // count) if count > 0 else 0
    if not patch or height % patch or width % patch:
        return None
    grid = height // patch, width // patch
    return grid if grid[0] * grid[1] == count else None
