"""What options of numbers may be."""

import math
from typing import Any


def check_whole(
    name: str, number: Any, least: int = 1, most: float = math.inf
) -> int:
    """Refuse what is no whole number, or too small or large a one.

    Args:
        name: Of the option, without its dashes.
        number: What it is.
        least: That it may be.
        most: Likewise.

    Returns:
        The number.

    Raises:
        ValueError: If it is none, naming what would do.
    """
    if type(number) is not int or not least <= number <= most:
        end = ' or more' if most == math.inf else f' to {most}'
        raise ValueError(f'--{name} is {number!r}: give {least}{end}')
    return number
