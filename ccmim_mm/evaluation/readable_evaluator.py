"""Figures of the pictures that could be read."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.registry import EVALUATOR


def failures_of(data_samples: Iterable[Any]) -> list[str]:
    """The files that others stand in for, ``PATH: REASON``.

    Args:
        data_samples: Of a batch; lists of some of test-time augmentation.
    """
    found: list[str] = []
    for sample in data_samples:
        several = isinstance(sample, list | tuple)
        for one in sample if several else [sample]:
            found += one.get('unreadable', ())
    return found


@EVALUATOR.register_module()
class ReadableEvaluator(Evaluator):
    """mmengine's evaluator, of all samples but those that stand in.

    :class:`Seeded` has the next picture stand in for one that cannot be
    read; to judge that would count it twice.

    Args:
        metrics: As for mmengine's ``Evaluator``.
    """

    def __init__(self, metrics: dict | Sequence) -> None:
        super().__init__(metrics)
        self.left_out = 0

    def process(
        self, data_samples: Sequence[Any], data_batch: Any = None
    ) -> None:
        """Hand a batch to the metrics, see the parent."""
        count = len(data_samples)
        kept = [i for i in range(count) if not failures_of([data_samples[i]])]
        if len(kept) < count:
            self.left_out += count - len(kept)
            data_samples = [data_samples[i] for i in kept]
            # Of test-time augmentation a batch is otherwise, and not asked.
            data_batch = data_batch and {
                name: [values[i] for i in kept]
                for name, values in data_batch.items()
                if len(values) == count
            }
        if data_samples:
            super().process(data_samples, data_batch)

    def evaluate(self, size: int) -> dict:
        """All metrics, see the parent.

        Raises:
            ValueError: If no picture could be read.
        """
        left_out = sum(all_gather_object(self.left_out))
        self.left_out = 0
        if left_out >= size:
            raise ValueError(
                'none of the pictures to judge by could be read: is the disk '
                'there?'
            )
        if left_out and is_main_process():
            print_log(
                f'{size - left_out} of {size} pictures judged: the others '
                'could not be read',
                'current',
                logging.WARNING,
            )
        return super().evaluate(size - left_out)
