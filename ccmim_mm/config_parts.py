"""Finding parts of a config, wherever they lie."""

from collections.abc import Iterator
from typing import Any


def named(part: Any, name: str = '') -> Iterator[tuple[str, dict]]:
    """Every dict of a config's part, and the key that it lies under."""
    if isinstance(part, dict):
        yield name, part
        for key, value in part.items():
            yield from named(value, str(key))
    elif isinstance(part, list | tuple):
        for value in part:
            yield from named(value, name)


def kind_of_part(part: dict) -> str:
    """The name of a part's type, without scope; empty if it has none.

    A class, as mmengine's configs in plain Python have, has its own.
    """
    kind = part.get('type', '')
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    return name.rpartition('.')[2]
