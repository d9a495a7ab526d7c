"""Writing parameters."""

import io
import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ..files import write_atomic


def save_state_dict(
    state: dict[str, Tensor],
    path: str | Path,
    key: str = 'state_dict',
    heads: dict[str, int] | None = None,
) -> None:
    """Write parameters, completely or not at all.

    Args:
        state: Parameters by name.
        path: The file; one called ``.safetensors`` becomes such a one.
        key: What the dict around them calls them.
        heads: Attention heads by this project's names of the modules, to be
            kept beside them.

    Raises:
        OSError: If it cannot be written.
    """
    if Path(path).suffix == '.safetensors':
        copies = {name: value.contiguous() for name, value in state.items()}
        told = {'heads': json.dumps(heads)} if heads else None
        write_atomic(save(copies, told), path)
        return
    buffer = io.BytesIO()
    meta = {'meta': {'heads': heads}} if heads else {}
    torch.save({key: state, **meta}, buffer)
    write_atomic(buffer.getvalue(), path)
