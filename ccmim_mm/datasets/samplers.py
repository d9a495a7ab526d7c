"""Sampling that tells the dataset all that a picture's randomness needs.

What a sample becomes depends on (seed, epoch, index) alone: not on the
worker, the number of workers, the rank or what came before. The place in the
data is state, kept in checkpoints.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar

from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch import Tensor
from torch.utils.data import Sampler

from .fingerprint import fingerprint
from .orders import EpochOrder, Shuffle
from .seeded import SampleKey

#: Of a place in the data, for people.
_NAMES = dict(
    pictures='pictures',
    listing='the digest of their names',
    order='the order',
    processes='processes',
    length='pictures of a process',
)


class ResumableSampler(Sampler):
    """A sampler that can start anywhere.

    Attributes:
        endless: Whether it goes on after an epoch, as a loop that counts
            iterations needs; None says nothing, and is taken by any.
        consumed: Samples of this rank that were trained on, in this epoch
            or, of an endless sampler, at all.
    """

    endless: ClassVar[bool | None] = None
    consumed: int = 0
    dataset: Any

    @cached_property
    def listing(self) -> str:
        """Which pictures the data set has."""
        return fingerprint(self.dataset)

    def advance(self, count: int) -> None:
        """Note that so many more samples were trained on."""
        self.consumed += count

    def round_to(self, count: int) -> None:
        """Leave out an epoch's last samples that do not make up as many."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Where it is, in numbers."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: If the data are cut up in another way now.
        """

    def _compare(self, state: dict[str, Any], names: tuple[str, ...]) -> None:
        for what, was, is_now in self.differences(state, names):
            raise ValueError(
                f'the checkpoint lies in the middle of the data, with {what} '
                f'{was}, here it is {is_now}: resume with the same data and '
                "number of processes, or from an epoch's end if epochs are "
                'counted'
            )

    def differences(
        self, state: dict[str, Any], names: Iterable[str] = _NAMES
    ) -> Iterator[tuple[str, Any, Any]]:
        """What is other data now: its name, what it was, and is."""
        now = self.state_dict()
        for name in names:
            # What is older does not tell.
            if name in now and state.get(name, now[name]) != now[name]:
                yield _NAMES[name], state[name], now[name]


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler, ResumableSampler):
    """mmengine's default sampler, yielding :class:`SampleKey`.

    Workers that persist cannot be told the epoch, so it travels with every
    index, and the dataset seeds each picture's pipeline from it.

    Args:
        dataset: The dataset, a :class:`Seeded`.
        shuffle: Whether to shuffle, differently in every epoch; ``'blocks'``
            shuffles for disks that hate to seek, see :class:`EpochOrder`.
        seed: Seed of the order and of the pictures; None is the run's.
        round_up: Repeat the first pictures so that all ranks get equally
            many. Unequal batches would misplace an alignment's labels.
        num_backups: How many backups each key carries.
        order: Other arguments of :class:`EpochOrder`.
    """

    endless = False

    def __init__(
        self,
        dataset,
        shuffle: Shuffle = True,
        seed: int | None = None,
        round_up: bool = True,
        num_backups: int = 8,
        **order: Any,
    ) -> None:
        self.order = EpochOrder(dataset, shuffle, **order)
        # Only how many there are is asked of it.
        super().__init__(range(len(self.order)), bool(shuffle), seed, round_up)
        self.dataset = dataset
        self.num_backups = num_backups
        self.multiple_of = 1

    def __len__(self) -> int:
        """Pictures of this rank in an epoch."""
        return self.num_samples // self.multiple_of * self.multiple_of

    def round_to(self, count: int) -> None:
        """Leave out an epoch's last pictures that do not make up as many."""
        self.multiple_of = count

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, or go on with the one that is being read."""
        if epoch != self.epoch:
            self.consumed = 0
        super().set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        return dict(
            seed=self.seed,
            epoch=self.epoch,
            consumed=self.consumed,
            length=len(self),
            pictures=len(self.dataset),
            listing=self.listing,
            order=self.order.name,
            processes=self.world_size,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there; from an epoch's end whatever has changed."""
        self.seed, self.epoch = state['seed'], state['epoch']
        if state['consumed'] >= state['length']:
            self.consumed = len(self)
            return
        if state['consumed']:
            self._compare(
                state,
                ('pictures', 'listing', 'order', 'processes', 'length'),
            )
        self.consumed = state['consumed']

    def __iter__(self) -> Iterator[SampleKey]:
        """Iterate the keys of this rank's pictures in this epoch."""
        indices = self.order(self.seed, self.epoch).tolist()
        # Round up, if that is wanted, however few there are.
        indices *= self.total_size // len(indices) + 1
        indices = indices[self.rank : self.total_size : self.world_size]
        # The backups of the last pictures are the first ones.
        extended = indices + indices[: self.num_backups]
        for i in range(self.consumed, len(self)):
            backups = tuple(extended[i + 1 : i + 1 + self.num_backups])
            yield SampleKey(self.seed, self.epoch, indices[i], backups)


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(ResumableSampler):
    """Epoch after epoch without end, for loops that count iterations.

    Args:
        dataset: The dataset, a :class:`Seeded`.
        shuffle: As of :class:`SeededSampler`.
        seed: Seed of the order and of the pictures; None is the run's.
        num_backups: How many backups each key carries.
        order: Other arguments of :class:`EpochOrder`.
    """

    endless = True

    def __init__(
        self,
        dataset,
        shuffle: Shuffle = True,
        seed: int | None = None,
        num_backups: int = 8,
        **order: Any,
    ) -> None:
        self.order = EpochOrder(dataset, shuffle, **order)
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.num_backups = num_backups
        self._orders: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Pictures of an epoch."""
        return len(self.order)

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        return dict(
            seed=self.seed,
            consumed=self.consumed,
            pictures=len(self.dataset),
            listing=self.listing,
            order=self.order.name,
            processes=self.world_size,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there, with any number of processes."""
        self._compare(state, ('pictures', 'listing', 'order'))
        self.seed = state['seed']
        total = state['consumed'] * state['processes']
        self.consumed = total // self.world_size

    def __iter__(self) -> Iterator[SampleKey]:
        """Iterate the keys of this rank's pictures."""
        place = self.consumed
        while True:
            (epoch, index), *backups = (
                self._at(place + i) for i in range(1 + self.num_backups)
            )
            spares = tuple(spare for _, spare in backups)
            yield SampleKey(self.seed, epoch, index, spares)
            place += 1

    def _at(self, place: int) -> tuple[int, int]:
        """Epoch and picture at a place of this rank's part."""
        size = len(self)
        epoch, offset = divmod(place * self.world_size + self.rank, size)
        if epoch not in self._orders:
            order = self.order(self.seed, epoch)
            # A backup may lie in the next epoch, none in the last.
            self._orders = {
                k: v for k, v in self._orders.items() if k >= epoch - 1
            } | {epoch: order}
        return epoch, int(self._orders[epoch][offset])
