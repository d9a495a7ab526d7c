"""Figures of the pictures that could be read."""

import logging
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any

from mmengine.dist import all_gather_object, get_rank, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.registry import EVALUATOR
from mmengine.structures import BaseDataElement


def failures_of(data_samples: Iterable[Any]) -> list[str]:
    """The files that others stand in for, ``PATH: REASON``.

    Args:
        data_samples: Of a batch; lists of some of test-time augmentation.
    """
    found: list[str] = []
    for sample in data_samples:
        several = isinstance(sample, list | tuple)
        for one in sample if several else [sample]:
            if isinstance(one, BaseDataElement | dict):
                found += one.get('unreadable', ())
    return found


@EVALUATOR.register_module()
class ReadableEvaluator(Evaluator):
    """mmengine's evaluator, of all samples but those that stand in.

    :class:`Seeded` has the next picture stand in for one that cannot be
    read; to judge that would count it twice. What a metric keeps of such a
    sample is taken out before it is computed.

    Args:
        metrics: As for mmengine's ``Evaluator``.
    """

    def __init__(self, metrics: dict | Sequence) -> None:
        super().__init__(metrics)
        #: Of this rank's samples: whether another stands in.
        self.stands_in: list[bool] = []

    def process(
        self, data_samples: Sequence[Any], data_batch: Any = None
    ) -> None:
        """Hand a batch to the metrics, see the parent."""
        self.stands_in += [bool(failures_of([s])) for s in data_samples]
        super().process(data_samples, data_batch)

    def evaluate(self, size: int) -> dict:
        """All metrics, see the parent.

        Raises:
            ValueError: If no picture could be read.
        """
        own, self.stands_in = self.stands_in, []
        ranks = all_gather_object(own)
        if not any(chain(*ranks)):
            return super().evaluate(size)
        kept = _kept(ranks, size)
        if not kept:
            raise ValueError(
                'none of the pictures to judge by could be read: is the disk '
                'there?'
            )
        if is_main_process():
            print_log(
                f'{len(kept)} of {size} pictures judged: the others could '
                'not be read',
                'current',
                logging.WARNING,
            )
        rows = [row for rank, row in kept if rank == get_rank()]
        for metric in self.metrics:
            if len(metric.results) == len(own):
                metric.results = [metric.results[row] for row in rows]
            else:
                print_log(
                    f'{type(metric).__name__} does not keep one result a '
                    'picture: what stands in for others is judged by it',
                    'current',
                    logging.WARNING,
                )
        # What a sampler has added is out already, where anything is.
        return super().evaluate(size)


def _kept(ranks: list[list[bool]], size: int) -> list[tuple[int, int]]:
    """Rank and row of every sample that is judged.

    Args:
        ranks: Of each rank's samples: whether another stands in. The ranks
            take pictures in turns, as mmengine's samplers deal them.
        size: How many pictures there are; the sampler may have added some.
    """
    rows = ([(i, row) for row in range(len(r))] for i, r in enumerate(ranks))
    turns = zip_longest(*rows)
    dealt = [place for place in chain(*turns) if place is not None]
    return [(rank, row) for rank, row in dealt[:size] if not ranks[rank][row]]
