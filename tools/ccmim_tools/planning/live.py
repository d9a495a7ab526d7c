"""Bytes alive at each moment, told from the storages of tensors."""

import weakref
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: What the caching allocator of a GPU rounds up to, in bytes.
BLOCK = 512
#: Of storages that nobody has named.
UNNAMED = 'activations'


class LiveStorages(TorchDispatchMode):
    """Follows every storage from the operation that makes it to its end.

    It sees what operations return, of tensors with values or without, and
    not what a kernel uses on the way. Storages are held weakly. (torch has a
    tracker like it in ``torch.distributed._tools``, which is private and
    keeps more by module; this needs a sum by kind alone.)

    Attributes:
        bytes: Alive now, by kind.
        moments: After each operation that made a storage since
            :meth:`restart`, the bytes of ``activations`` and ``gradients``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()
        self.moments: list[tuple[int, int]] = []
        # By id, which is theirs as long as they live: kind, size, reference.
        self._alive: dict[int, tuple[str, int, Any]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        """Run an operation, and count what it returns."""
        out = func(*args, **(kwargs or {}))
        made = [
            self._add(leaf)
            for leaf in tree_leaves(out)
            if isinstance(leaf, Tensor)
        ]
        if any(made):
            self.moments.append((self.bytes[UNNAMED], self.bytes['gradients']))
        return out

    def name(self, tensors: Iterable[Tensor], kind: str) -> None:
        """Count these as ``kind`` from now on."""
        for tensor in tensors:
            self._add(tensor)
            key = id(tensor.untyped_storage())
            before, size, reference = self._alive[key]
            self._alive[key] = kind, size, reference
            self.bytes[before] -= size
            self.bytes[kind] += size

    def name_all(self, kind: str) -> None:
        """Count everything that is alive as ``kind`` from now on."""
        self._alive = {
            key: (kind, size, reference)
            for key, (_, size, reference) in self._alive.items()
        }
        self.bytes = Counter({kind: self.bytes.total()})

    def restart(self) -> None:
        """Forget the moments."""
        self.moments = []

    def _add(self, tensor: Tensor) -> bool:
        """Count a tensor's storage; False if it is known."""
        if tensor.layout != torch.strided:
            return False
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._alive:
            return False
        size = -(-storage.nbytes() // BLOCK) * BLOCK
        gone = weakref.ref(storage, partial(self._remove, key))
        self._alive[key] = UNNAMED, size, gone
        self.bytes[UNNAMED] += size
        return True

    def _remove(self, key: int, _: object) -> None:
        kind, size, _ = self._alive.pop(key)
        self.bytes[kind] -= size
