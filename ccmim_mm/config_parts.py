"""Finding parts of a config, wherever they lie."""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.registry import Registry


def named(part: Any, name: str = '') -> Iterator[tuple[str, dict]]:
    """Every dict of a config's part, and the key that it lies under."""
    if isinstance(part, dict):
        yield name, part
        for key, value in part.items():
            yield from named(value, str(key))
    elif isinstance(part, list | tuple):
        for value in part:
            yield from named(value, name)


def find_dicts(part: Any, key: str) -> Iterator[Any]:
    """Every dict within a config's part that has a key."""
    return (held for _, held in named(part) if held.get(key) is not None)


def kind_of_part(part: dict) -> str:
    """The name of a part's type, without scope; empty if it has none.

    A class, as mmengine's configs in plain Python have, has its own.
    """
    kind = part.get('type', '')
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    return name.rpartition('.')[2]


def class_of_part(part: dict, registry: Registry) -> type | None:
    """The class of a part's type; None if it has none that is known."""
    kind = part.get('type')
    kind = registry.get(kind) if isinstance(kind, str) else kind
    return kind if inspect.isclass(kind) else None
