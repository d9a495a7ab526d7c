"""Sizes of files as people write them."""

import re

_UNITS = {
    '': 1,
    **{f'{unit}B': 1000**i for i, unit in enumerate('KMGT', 1)},
    **{f'{unit}iB': 1024**i for i, unit in enumerate('KMGT', 1)},
}


def size_of(text: str) -> int:
    """Bytes of ``1GB``, ``512MiB`` or ``1000000``.

    Raises:
        ValueError: If it is none of these.
    """
    found = re.fullmatch(r'(\d+) ?([KMGT]?i?B?)', text)
    if not found or found[2] not in _UNITS or not int(found[1]):
        raise ValueError(text)
    return int(found[1]) * _UNITS[found[2]]
