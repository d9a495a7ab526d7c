"""Reproducible randomness, and a way around unreadable pictures."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch.utils.data import get_worker_info

from .samplers import SampleKey
from .transforms import UnreadablePictureError


@contextmanager
def seeded(*entropy: int) -> Iterator[None]:
    """Seed random, numpy and torch (CPU), and restore them afterwards.

    A loader's worker draws from them for nothing else, so there, where it
    counts, restoring is spared.

    Args:
        entropy: Non-negative integers; each combination seeds differently.
    """
    worker = get_worker_info() is not None
    if not worker:
        python, torch_state = random.getstate(), torch.get_rng_state()
        numpy_state = np.random.get_state()
    words = np.random.SeedSequence(entropy).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1:3])
    torch.default_generator.manual_seed(int(words[3]))
    try:
        yield
    finally:
        if not worker:
            random.setstate(python)
            torch.set_rng_state(torch_state)
            np.random.set_state(numpy_state)


class SeededDataset(BaseDataset):
    """An mmengine dataset for use under a :class:`SeededSampler`.

    Indexed with a :class:`SampleKey`, the whole pipeline runs under a seed
    made of (seed, epoch, index). A picture that cannot be read is replaced
    by the next readable backup, seeded by its own index, and the paths that
    failed travel with it as the sample's ``unreadable`` meta field. Indexed
    with an integer, the dataset behaves as its base class.
    """

    def __getitem__(self, key: SampleKey | int) -> dict:
        """One packed sample.

        Raises:
            UnreadablePictureError: If no backup could be read either.
        """
        if not isinstance(key, SampleKey):
            return super().__getitem__(key)
        unreadable: list[str] = []
        for index in (key.index, *key.backups):
            try:
                with seeded(key.seed, key.epoch, index):
                    sample = self.prepare_data(index)
            except UnreadablePictureError as error:
                unreadable.append(str(error))
                continue
            if unreadable:
                sample['data_samples'].set_metainfo(
                    dict(unreadable=unreadable)
                )
            return sample
        raise UnreadablePictureError(
            unreadable[0],
            f'this and the {len(unreadable) - 1} pictures after it could '
            'not be read: check the data folder',
        )
