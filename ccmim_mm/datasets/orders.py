"""The order of an epoch's pictures, a function of (seed, epoch)."""

import hashlib
import logging
from functools import singledispatch
from typing import Any, Literal

import numpy as np
import torch
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.logging import print_log
from torch import Tensor

from .picture_folder import PictureFolder
from .remote.cache import shard_cache
from .seeded import Seeded
from .tars.remote_listing import RemoteListing

Shuffle = bool | Literal['blocks']
#: Neighbours that tell whether pictures lie sorted by class.
_LOOKS = 1000
#: Of neighbours of one class, this part above what chance gives is too much.
#: Chosen here.
_SORTED = 0.5


@singledispatch
def physical_order(dataset: Any) -> np.ndarray:
    """Indices in the order that the pictures lie on the disk, ``(n,)``.

    Of a data set that nothing is known about, that of its indices; one of
    another library registers its own (``physical_order.register``).

    Args:
        dataset: The data set, wrapped or not.
    """
    return np.arange(len(dataset))


@physical_order.register
def _(dataset: Seeded) -> np.ndarray:
    return physical_order(dataset.dataset)


@physical_order.register
def _(dataset: ConcatDataset) -> np.ndarray:
    begins = [0, *dataset.cumulative_sizes[:-1]]
    parts = zip(begins, dataset.datasets, strict=True)
    return np.concatenate([b + physical_order(part) for b, part in parts])


@physical_order.register
def _(dataset: RepeatDataset) -> np.ndarray:
    once = physical_order(dataset.dataset)
    return np.concatenate([once + i * len(once) for i in range(dataset.times)])


@physical_order.register
def _(dataset: PictureFolder) -> np.ndarray:
    physical = dataset.listing.physical()
    if dataset.order is None:
        return physical
    # Where each row of the listing lies, and so each kept one's rank.
    places = np.empty(len(physical), np.int64)
    places[physical] = np.arange(len(physical))
    return np.argsort(places[dataset.order])


class EpochOrder:
    """Which pictures an epoch has, and in what order.

    With ``shuffle='blocks'`` pictures that lie together are read together:
    blocks of them are permuted, and what is in ``window`` blocks that follow
    each other is shuffled. So ``window`` places are read from at a time, and
    batches are drawn from ``window * block_size`` pictures.

    Args:
        dataset: The data set, wrapped or not.
        shuffle: True permutes all, False nothing, ``'blocks'`` as above.
        block_size: Pictures of a block, at least 1. Chosen here: of 110 KB
            they are 28 MB.
        window: Blocks of a window, at least 1. Chosen here.
        shares: Of each part of a ``ConcatDataset``, how much of it an epoch
            has, above 0 to 1, drawn anew every time; mmengine's
            ``RepeatDataset`` has a part several times. None takes all.

    Attributes:
        name: What it is, to compare; empty for what has been there always.

    Raises:
        ValueError: If an argument is out of range or does not fit the data.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: Shuffle = True,
        block_size: int = 256,
        window: int = 16,
        shares: list[float] | None = None,
    ) -> None:
        if shuffle not in (True, False, 'blocks'):
            raise ValueError(
                f"shuffle={shuffle!r} of a sampler: True, False or 'blocks'"
            )
        if block_size < 1 or window < 1:
            raise ValueError(
                f'block_size={block_size}, window={window} of a sampler: set '
                'both to 1 or more'
            )
        self.shuffle, self.size = shuffle, len(dataset)
        self.block_size, self.window = block_size, window
        self.parts = _parts(dataset, shares) if shares is not None else None
        self.physical: Tensor | None = None
        self.name = ''
        if shuffle == 'blocks':
            physical = physical_order(dataset)
            _warn_if_sorted(dataset, physical)
            self.physical = torch.from_numpy(physical)
            digest = hashlib.blake2b(physical.tobytes(), digest_size=4)
            self.name = (
                f'blocks of {block_size}, {window} at a time, on a disk '
                f'{digest.hexdigest()}'
            )
        elif shuffle:
            _warn_if_fetched_often(dataset)
        if shares is not None:
            self.name += f'shares {", ".join(map(str, shares))}'

    def __len__(self) -> int:
        """Pictures of an epoch."""
        if self.parts is None:
            return self.size
        return sum(kept for _, kept in self.parts)

    def __call__(self, seed: int, epoch: int) -> Tensor:
        """Indices of an epoch's pictures, ``(len,)`` int64."""
        generator = torch.Generator().manual_seed(seed + epoch)
        if self.physical is not None:
            order = self.physical[self._blocks(generator)]
        elif self.shuffle:
            order = torch.randperm(self.size, generator=generator)
        else:
            order = torch.arange(self.size)
        return (
            order
            if self.parts is None
            else order[self._kept(generator)[order]]
        )

    def _blocks(self, generator: torch.Generator) -> Tensor:
        """Places on the disk in the order that they are read."""
        places = torch.arange(self.size)
        count = -(-self.size // self.block_size)
        ranks = torch.randperm(count, generator=generator)
        windows = ranks[places // self.block_size] // self.window
        drawn = torch.rand(self.size, generator=generator, dtype=torch.double)
        return torch.argsort(windows + drawn, stable=True)

    def _kept(self, generator: torch.Generator) -> Tensor:
        """Whether each picture is of this epoch, ``(size,)`` bool."""
        kept = []
        for size, count in self.parts or ():
            kept.append(torch.randperm(size, generator=generator) < count)
        return torch.cat(kept)


def _parts(dataset: Any, shares: list[float]) -> list[tuple[int, int]]:
    """Of each part how many pictures it has, and an epoch of them.

    Raises:
        ValueError: If shares do not fit.
    """
    while isinstance(dataset, Seeded):
        dataset = dataset.dataset
    if not isinstance(dataset, ConcatDataset):
        raise ValueError(
            'shares of a sampler are of the parts of a ConcatDataset, and '
            f'the data set is a {type(dataset).__name__}: set them to None'
        )
    sizes = [len(part) for part in dataset.datasets]
    if len(shares) != len(sizes) or not all(0 < s <= 1 for s in shares):
        raise ValueError(
            f'shares={shares} of a sampler: give {len(sizes)} above 0 to 1, '
            'and what is to be there several times to a RepeatDataset'
        )
    pairs = zip(sizes, shares, strict=True)
    return [(size, max(1, round(size * share))) for size, share in pairs]


def _warn_if_fetched_often(dataset: Any) -> None:
    """Warn of shards that are fetched anew for nearly every picture."""
    total = _remote_bytes(dataset)
    if total and total > (held := shard_cache().size):
        print_log(
            f'{total / 1e9:.2f} GB of shards are read in a full shuffle '
            f'through a cache of {held / 1e9:.2f} GB, so that most pictures '
            'wait for a whole shard: set cache_size to hold them all, or '
            "the sampler's shuffle=blocks with blocks of about a shard",
            'current',
            logging.WARNING,
        )


def _remote_bytes(dataset: Any) -> int:
    """Bytes of a data set's shards on the network."""
    if isinstance(dataset, ConcatDataset):
        return sum(map(_remote_bytes, dataset.datasets))
    if isinstance(dataset, Seeded | RepeatDataset):
        return _remote_bytes(dataset.dataset)
    listing = getattr(dataset, 'listing', None)
    if isinstance(listing, RemoteListing):
        return int(listing.shard_sizes.sum())
    return 0


def _warn_if_sorted(dataset: Any, physical: np.ndarray) -> None:
    """Warn of windows that hold few classes: contrast learns from several.

    Args:
        dataset: The data set; what is no folder is not looked at.
        physical: See :func:`physical_order`.
    """
    while isinstance(dataset, Seeded):
        dataset = dataset.dataset
    if isinstance(dataset, ConcatDataset):
        for part in dataset.datasets:
            _warn_if_sorted(part, physical_order(part))
    if not isinstance(dataset, PictureFolder) or len(physical) < 2:
        return
    places = np.linspace(0, len(physical) - 2, _LOOKS).astype(int)
    places = np.unique(places)
    pairs = [
        tuple(dataset.class_of(int(physical[p + i])) for i in (0, 1))
        for p in places
    ]
    if any(name is None for pair in pairs for name in pair):
        return
    _, counts = np.unique([name for name, _ in pairs], return_counts=True)
    by_chance = float(((counts / counts.sum()) ** 2).sum())
    alike = float(np.mean([one == other for one, other in pairs]))
    if len(counts) > 1 and alike - by_chance > _SORTED * (1 - by_chance):
        print_log(
            f"shuffle='blocks' reads pictures that lie sorted by class "
            f'({alike:.0%} of neighbours are of one): batches have few '
            'classes, which starves a contrast of its negatives; ccmim pack '
            'writes shards in a shuffled order, or set shuffle=True',
            'current',
            logging.WARNING,
        )
