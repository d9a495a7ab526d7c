"""Which pictures a data set has, as one short string to compare."""

import hashlib
import os
from collections.abc import Iterable
from functools import singledispatch
from typing import Any

import numpy as np
from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    ConcatDataset,
    RepeatDataset,
)

from .picture_folder import PictureFolder
from .seeded import Seeded

#: Pictures of an annotated set that are looked at, evenly spread.
MOST = 200_000


@singledispatch
def fingerprint(dataset: Any) -> str:
    """A digest of the names of a data set's pictures, in their order.

    Not of what is in the files, nor of where the set lies. A data set of
    another library registers its own (``fingerprint.register``); of one that
    nothing is known about it is the length.

    Args:
        dataset: The data set, wrapped or not.
    """
    return str(len(dataset))


@fingerprint.register
def _(dataset: Seeded) -> str:
    return fingerprint(dataset.dataset)


@fingerprint.register
def _(dataset: ConcatDataset) -> str:
    return _digest(fingerprint(part).encode() for part in dataset.datasets)


@fingerprint.register
def _(dataset: PictureFolder) -> str:
    order = dataset.order
    rows = b'' if order is None else np.asarray(order, np.int64).tobytes()
    return _digest((dataset.listing.names.tobytes(), rows))


@fingerprint.register
def _(dataset: BaseDataset) -> str:
    step = -(-len(dataset) // MOST) or 1
    infos = (dataset.get_data_info(i) for i in range(0, len(dataset), step))
    names = [os.path.normpath(str(i.get('img_path'))) for i in infos]
    if names:
        # Wherever the set lies.
        ends = map(os.path.dirname, (min(names), max(names)))
        root = os.path.commonpath([*ends])
        names = [name.removeprefix(root) for name in names]
    return _digest([f'{len(dataset)}\n'.encode(), *map(_bytes, names)])


@fingerprint.register(ClassBalancedDataset)
@fingerprint.register(RepeatDataset)
def _(dataset: Any) -> str:
    return f'{len(dataset)} {fingerprint(dataset.dataset)}'


def _bytes(name: str) -> bytes:
    return name.encode(errors='surrogateescape') + b'\n'


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        found.update(part)
    return found.hexdigest()
