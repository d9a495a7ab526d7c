"""Reproducible randomness for any dataset, and a way around bad pictures."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from torch.utils.data import Dataset, get_worker_info

from .transforms import UnreadablePictureError


@dataclass(frozen=True, slots=True)
class SampleKey:
    """What a seeded sampler yields and a :class:`Seeded` dataset reads.

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


@contextmanager
def kept() -> Iterator[None]:
    """Restore random, numpy and torch (CPU) afterwards.

    A loader's worker draws from them for nothing else, so there, where it
    counts, restoring is spared.
    """
    if get_worker_info() is not None:
        yield
        return
    python, torch_state = random.getstate(), torch.get_rng_state()
    numpy_state = np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)


def seed_all(*entropy: int) -> None:
    """Seed random, numpy and torch (CPU).

    Args:
        entropy: Non-negative integers; each combination seeds differently.
    """
    small = all(type(word) is int and 0 <= word < 1 << 32 for word in entropy)
    # The same words, sooner than from integers of any size.
    source = np.array(entropy, np.uint32) if small else entropy
    words = np.random.SeedSequence(source).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1:3])
    torch.default_generator.manual_seed(int(words[3]))


@DATASETS.register_module()
class Seeded(Dataset):
    """Makes any dataset a function of (seed, epoch, index).

    Indexed with the :class:`SampleKey` of a seeded sampler, the dataset's
    whole pipeline runs under a seed made of it. A picture that cannot be
    read (:class:`UnreadablePictureError`, which this project's loading
    transforms raise) is replaced by the next readable backup, seeded by its
    own index, and the paths that failed travel with it as the sample's
    ``unreadable`` meta field. Indexed with an integer it is the dataset.

    Args:
        dataset: The dataset or its config: any of mmengine's kind.
    """

    def __init__(self, dataset: Dataset | dict) -> None:
        self.dataset: Any = (
            DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        )

    @property
    def metainfo(self) -> dict:
        """The dataset's."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Initialise the dataset, once."""
        self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """The dataset's annotations of picture ``idx``, in [0, len)."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: SampleKey | int) -> dict:
        """One packed sample.

        Raises:
            UnreadablePictureError: If no backup could be read either.
        """
        if not isinstance(key, SampleKey):
            return self.dataset[key]
        with kept():
            return self._read(key)

    def __getitems__(self, keys: list[SampleKey] | list[int]) -> list[dict]:
        """The packed samples of a batch, which torch's loader asks for.

        Raises:
            UnreadablePictureError: As for one.
        """
        ours = [key for key in keys if isinstance(key, SampleKey)]
        if len(ours) < len(keys):
            return [self[key] for key in keys]
        # Once: numpy's state alone takes as long as half a small picture.
        with kept():
            return [self._read(key) for key in ours]

    def _read(self, key: SampleKey) -> dict:
        unreadable: list[str] = []
        for index in (key.index, *key.backups):
            seed_all(key.seed, key.epoch, index)
            try:
                sample = self.dataset[index]
            except UnreadablePictureError as error:
                unreadable.append(str(error))
                continue
            if unreadable:
                attach(sample, unreadable)
            return sample
        raise UnreadablePictureError(
            unreadable[0],
            f'this and the {len(unreadable) - 1} pictures after it could '
            'not be read: check the data folder',
        )


def attach(sample: Any, unreadable: list[str]) -> None:
    """Send what could not be read along with what stands in for it.

    Args:
        sample: A packed sample, which may carry some already.
        unreadable: Paths and reasons.
    """
    try:
        packed = sample['data_samples']
        unreadable = [*unreadable, *packed.get('unreadable', ())]
        packed.set_metainfo(dict(unreadable=unreadable))
    except (AttributeError, KeyError, TypeError):
        # Packed by somebody else: said here, but not counted.
        for failure in unreadable:
            print_log(f'Unreadable, replaced: {failure}')
