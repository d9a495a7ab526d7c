"""A state dict from a file, looked at before anything takes it."""

from collections import OrderedDict
from typing import Any

from torch import Tensor

from .content import extent, is_finite

#: Characters of a parameter's name, which messages repeat.
LONGEST_NAME = 300


def check_state(state: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, if its names are names and all is finite.

    BatchNorm's statistics may be not finite. What is no tensor is left out.

    Args:
        state: What a file holds as parameters.

    Returns:
        Tensors by name, with torch's ``_metadata`` if there is one.

    Raises:
        ValueError: Naming the first that is wrong, or if there is none.
    """
    if not isinstance(state, dict):
        raise ValueError(f'its parameters are a {type(state).__name__}')
    finite: set[tuple] = set()
    tensors: OrderedDict[str, Tensor] = OrderedDict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            continue
        named = isinstance(name, str) and name.isprintable()
        if not named or len(name) > LONGEST_NAME:
            raise ValueError(f'{name!r:.50} is no name of a parameter')
        place = extent(value)
        if 'running_' not in name and place not in finite:
            if not is_finite(value):
                raise ValueError(f'{name} is not finite')
            finite.add(place)
        tensors[name] = value
    if not tensors:
        raise ValueError('it holds no parameters')
    if versions := _versions(state):
        tensors._metadata = versions  # type: ignore[attr-defined]
    return tensors


def _versions(state: dict) -> dict[str, dict]:
    """A state dict's ``_metadata``, checked: what versions its modules had.

    Raises:
        ValueError: If it is no such thing.
    """
    found = getattr(state, '_metadata', None) or {}
    if not isinstance(found, dict) or not all(
        isinstance(name, str)
        and isinstance(entry, dict)
        and type(entry.get('version')) in (int, type(None))
        for name, entry in found.items()
    ):
        raise ValueError("its modules' versions (_metadata) are broken")
    return found
