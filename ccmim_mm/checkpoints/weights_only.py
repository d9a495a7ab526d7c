"""A checkpoint that torch reads with ``weights_only=True``.

Of tensors, numbers, strings and containers alone.
"""

from collections import OrderedDict
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor

_HISTORY = 'history'


def to_weights_only(value: Any, name: str = 'checkpoint') -> Any:
    """Bring a value down to what can be read without running code.

    Histories of the log become tensors, numpy's numbers Python's; a state
    dict keeps the versions of its modules (``_metadata``). What has no such
    form is left out with a line in the log, None in its place.

    Args:
        value: Anything that a run may keep.
        name: What to call it.
    """
    if value is None or isinstance(value, bool | int | float | str | Tensor):
        # Subclasses of them are not what torch reads.
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)
        return value
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {
            _HISTORY: torch.tensor(values, dtype=torch.float64),
            'counts': torch.tensor(counts, dtype=torch.int64),
            'max_length': value.max_length,
        }
    if isinstance(value, np.generic | np.ndarray):
        return _from_numpy(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict):
        plain = OrderedDict(
            (to_weights_only(k, name), kept)
            for k, v in value.items()
            if (kept := to_weights_only(v, f'{name}.{k}')) is not None
            or v is None
        )
        if isinstance(value, OrderedDict) and '_metadata' in vars(value):
            # Of a state dict: the versions of its modules.
            versions = to_weights_only(vars(value)['_metadata'], name)
            plain._metadata = versions  # type: ignore[attr-defined]
            return plain
        return dict(plain)
    if isinstance(value, list | tuple):
        items = [to_weights_only(v, name) for v in value]
        return items if isinstance(value, list) else tuple(items)
    print_log(f'{name} is a {type(value).__name__} and is not saved')
    return None


def _from_numpy(value: np.generic | np.ndarray) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biuf':
        return torch.from_numpy(np.ascontiguousarray(value))
    # Numbers, and arrays of strings.
    return value.item() if isinstance(value, np.generic) else value.tolist()


def unpack_histories(hub: dict[str, Any]) -> None:
    """Rebuild the histories of a message hub's state, in place."""
    hub['log_scalars'] = {
        name: _history(value) for name, value in hub['log_scalars'].items()
    }


def _history(value: Any) -> Any:
    if not isinstance(value, dict) or _HISTORY not in value:
        return value
    return HistoryBuffer(
        value[_HISTORY].cpu().numpy(),
        value['counts'].cpu().numpy(),
        max_length=value['max_length'],
    )
