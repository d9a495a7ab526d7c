"""Writing parameters."""

import io
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ..files import write_atomic


def save_state_dict(
    state: dict[str, Tensor], path: str | Path, key: str = 'state_dict'
) -> None:
    """Write parameters, completely or not at all.

    Args:
        state: Parameters by name.
        path: The file; one called ``.safetensors`` becomes such a one.
        key: What the dict around them calls them.

    Raises:
        OSError: If it cannot be written.
    """
    if Path(path).suffix == '.safetensors':
        copies = {name: value.contiguous() for name, value in state.items()}
        write_atomic(save(copies), path)
        return
    buffer = io.BytesIO()
    torch.save({key: state}, buffer)
    write_atomic(buffer.getvalue(), path)
