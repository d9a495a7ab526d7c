"""Sampling that tells the dataset all that a picture's randomness needs."""

from collections.abc import Iterator
from dataclasses import dataclass

from mmengine.dataset import DefaultSampler
from mmpretrain.registry import DATA_SAMPLERS


@dataclass(frozen=True, slots=True)
class SampleKey:
    """What a :class:`SeededSampler` yields and a seeded dataset reads.

    Attributes:
        seed: The run's seed.
        epoch: Epoch, from 0.
        index: Picture index.
        backups: The next indices of the same rank, in the order to try if
            the picture cannot be read.
    """

    seed: int
    epoch: int
    index: int
    backups: tuple[int, ...] = ()


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """mmengine's default sampler, yielding :class:`SampleKey`.

    Workers that persist cannot be told the epoch, so it travels with every
    index, and the dataset seeds each picture's pipeline from it. What a
    picture becomes then depends on (seed, epoch, index) alone: not on the
    worker, the number of workers, the rank or what came before.

    Args:
        dataset: The dataset.
        shuffle: Whether to shuffle, differently in every epoch.
        seed: Seed of the order and of the pictures; None draws one that all
            ranks share.
        round_up: Repeat the first pictures so that all ranks get equally
            many. Unequal batches would misplace the alignment's labels.
        num_backups: How many backups each key carries.
        multiple_of: Leave out the last pictures of a rank that do not make
            up as many; those of a step, with its accumulation.
    """

    def __init__(
        self,
        dataset,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
        num_backups: int = 8,
        multiple_of: int = 1,
    ) -> None:
        super().__init__(dataset, shuffle, seed, round_up)
        self.num_backups = num_backups
        self.multiple_of = multiple_of
        self.start = 0

    def __len__(self) -> int:
        """Pictures of this rank in an epoch."""
        return self.num_samples // self.multiple_of * self.multiple_of

    def start_at(self, start: int) -> None:
        """Leave out the first pictures of the next epochs, on a resume.

        Args:
            start: How many.
        """
        self.start = start

    def __iter__(self) -> Iterator[SampleKey]:
        """Iterate the keys of this rank's pictures in this epoch."""
        indices = list(super().__iter__())
        # The backups of the last pictures are the first ones.
        extended = indices + indices[: self.num_backups]
        for i in range(self.start, len(self)):
            index = indices[i]
            backups = tuple(extended[i + 1 : i + 1 + self.num_backups])
            yield SampleKey(self.seed, self.epoch, index, backups)
