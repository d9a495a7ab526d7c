"""What a checkpoint holds once it is built, looked at before it is used."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

#: Entries of all containers, each counted as often as it is reached; 16
#: characters count as one.
MOST_ENTRIES = 10_000_000
CHARACTERS = 16
#: A checkpoint's tensors together, in sizes of its file: some are shared.
MOST_SHARED = 4

_TYPES = (Tensor, nn.Parameter)
_KINDS = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool,
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.uint16, torch.uint32, torch.uint64,
}  # fmt: skip


def check_content(data: Any, file_size: int) -> None:
    """Look at everything in a checkpoint, however it is nested, once.

    Args:
        data: What the file was read into.
        file_size: Bytes of the file.

    Raises:
        ValueError: For containers that hold themselves, or that share their
            parts so that there are more than :data:`MOST_ENTRIES`; for
            tensors that are not plain (sparse, nested, quantized, of no
            device, complex or 8-bit floats) or larger than the file; and
            for dicts with attributes of their own. Without the file's name.
    """
    sizes: dict[int, int] = {}
    tensors: dict[tuple, int] = {}
    opened: set[int] = set()
    pending = [(data, False)]
    while pending:
        value, done = pending.pop()
        key = id(value)
        if isinstance(value, Tensor):
            check_tensor(value, file_size)
            tensors[extent(value)] = value.nbytes
            sizes[key] = 1
            continue
        parts = _parts(value)
        if done:
            opened.discard(key)
            sizes[key] = 1 + sum(_size(part, sizes) for part in parts)
            if sizes[key] > MOST_ENTRIES:
                raise ValueError(
                    f'it comes to more than {MOST_ENTRIES:,} entries'
                )
        elif key in opened:
            raise ValueError('it has a container that holds itself')
        elif key not in sizes and parts:
            opened.add(key)
            pending.append((value, True))
            pending.extend((part, False) for part in parts if _is_inner(part))
    total = sum(tensors.values())
    if total > MOST_SHARED * file_size:
        raise ValueError(
            f'its tensors come to {total} bytes, in a file of {file_size}'
        )


def check_tensor(tensor: Tensor, file_size: int) -> None:
    """Check that a tensor is plain and no larger than its file.

    Raises:
        ValueError: If it is not.
    """
    kind = (
        'quantized' if tensor.is_quantized
        else 'nested' if tensor.is_nested
        else 'meta' if tensor.is_meta
        else 'sparse' if tensor.layout is not torch.strided
        # By attributes a file could replace the tensor's own methods.
        else 'strange' if type(tensor) not in _TYPES or vars(tensor)
        else None
    )  # fmt: skip
    if kind is not None:
        raise ValueError(
            f'it has a {kind} tensor: save it as a plain one, dequantized or '
            'dense'
        )
    if tensor.dtype not in _KINDS:
        raise ValueError(
            f'it has a tensor of {tensor.dtype}: save it as float32'
        )
    if tensor.numel() * tensor.element_size() > file_size:
        raise ValueError(
            f'a tensor of {tuple(tensor.shape)} in a file of {file_size} bytes'
        )


def extent(tensor: Tensor) -> tuple:
    """What tells whether two tensors are the same numbers in memory."""
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def is_finite(tensor: Tensor) -> bool:
    """Whether a plain tensor is finite; integers always are."""
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _is_inner(value: Any) -> bool:
    """Whether it is to be looked at, or counts as it stands."""
    return isinstance(value, Tensor | dict | list | tuple | set | frozenset)


def _size(value: Any, sizes: dict[int, int]) -> int:
    if isinstance(value, str | bytes):
        return 1 + len(value) // CHARACTERS
    return sizes.get(id(value), 1)


def _parts(value: Any) -> list:
    """What a container holds, keys included; nothing of anything else."""
    if isinstance(value, OrderedDict):
        # By any other attribute a file could replace the dict's own methods.
        added = vars(value)
        if added.keys() - {'_metadata'}:
            raise ValueError(
                f'it has a dict with the attribute {next(iter(added))!r:.50}'
            )
        return [*dict.keys(value), *dict.values(value), *added.values()]
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    return []
