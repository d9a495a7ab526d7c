"""Peak memory of a process by way of training, and what fits."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from torch import nn

from .fake_step import FakeStep, Trace

#: No batch above is looked for, in pictures.
MOST = 2**17
#: Fake runs at batches that were found, before the largest is given up.
_TRIES = 6


class Way(NamedTuple):
    """How processes share a training.

    Attributes:
        name: For the table.
        ranks: Processes that parameters, gradients and the optimizer's state
            are sharded over; 1 shards nothing.
        buckets: Copies of the gradients that live from step to step.
        gradients: Whether gradients have memory of their own.
        gathered: Bytes of what is whole beside the shards, see
            :func:`gathered_bytes`.
    """

    name: str
    ranks: int = 1
    buckets: int = 0
    gradients: bool = True
    gathered: int = 0

    def held(self, trace: Trace) -> float:
        """Bytes that are there at all times."""
        return (
            (trace.weights + trace.optimizer) / self.ranks
            + trace.frozen
            + self.buckets * trace.weights
            + self.gathered
        )

    def alive(self, moments: np.ndarray) -> np.ndarray:
        """Bytes that come and go, at each moment."""
        share = 1 / self.ranks if self.gradients else 0
        return moments[:, 0] + share * moments[:, 1]

    def peak(self, trace: Trace) -> float:
        """Bytes at the worst moment of a step."""
        return self.held(trace) + self.alive(trace.moments).max()


def ddp(gpus: int, as_view: bool = False) -> Way:
    """Data-parallel processes, or one.

    Args:
        gpus: Processes.
        as_view: DDP's ``gradient_as_bucket_view``, which is off unless the
            config's ``model_wrapper_cfg`` says otherwise.
    """
    if gpus == 1:
        return Way('one GPU')
    return Way('DDP', buckets=1, gradients=not as_view)


def fsdp(gpus: int, model: nn.Module) -> Way:
    """FSDP2 over so many processes, a unit for each layer."""
    return Way('FSDP2', ranks=gpus, gathered=gathered_bytes(model))


def gathered_bytes(model: nn.Module) -> int:
    """What FSDP2 has whole at once, at most: ``2 R + 5 U``.

    ``U`` is the largest unit, a member of a ``ModuleList``, and ``R`` the
    root, all the rest. Whole are the root, the unit at work, the one that is
    prefetched and the buffer that a third comes in; and gradients of the
    root, of the unit at work and of the one that is being reduced.
    """
    sizes, inside = [], set()
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for unit in module:
                own = [
                    p
                    for p in unit.parameters()
                    if p.requires_grad and p not in inside
                ]
                inside.update(own)
                sizes.append(_bytes(own))
    root = _bytes(
        p for p in model.parameters() if p.requires_grad and p not in inside
    )
    return 2 * root + 5 * max(sizes, default=0)


def _bytes(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)


def largest_batch(
    way: Way, step: FakeStep, traces: dict[int, Trace], memory: float
) -> tuple[int, float] | None:
    """The most pictures of which a step fits, and its peak in bytes.

    A line for every moment, through two traces, says how many; so many are
    run, and the lines through that say whether it is to be more or fewer.

    Args:
        way: How.
        step: The method.
        traces: Of at least two batches; what is run is added.
        memory: In bytes.

    Returns:
        None if not even two pictures fit.

    Raises:
        ArithmeticError: If no run agrees with its line.
    """
    at = None
    for _ in range(_TRIES):
        guess = _fitting(way, traces, memory, at)
        while guess > 1 and not _is_valid(step, guess):
            guess -= 1
        if guess < 2:
            return None
        if guess == at:
            return guess, way.peak(traces[guess])
        if guess not in traces:
            traces[guess] = step.trace(guess)
        at = guess
    fits = [b for b, trace in traces.items() if way.peak(trace) <= memory]
    if fits:
        # Perhaps not the largest, but run.
        return max(fits), way.peak(traces[max(fits)])
    raise ArithmeticError(
        'the peak does not grow as a line with the batch: ask for single '
        'ones with --batch-size'
    )


def _fitting(
    way: Way,
    traces: dict[int, Trace],
    memory: float,
    at: int | None = None,
) -> int:
    """The largest batch below a line for every moment; 0 if there is none."""
    by_distance = sorted(traces, key=lambda b: abs(b - (at or max(traces))))
    low, high = sorted(by_distance[:2])
    first, second = traces[low], traces[high]
    if len(first.moments) != len(second.moments):
        raise ArithmeticError(
            f'a step of {low} and one of {high} pictures are not alike: ask '
            'for single batches with --batch-size'
        )
    start = way.alive(first.moments)
    slope = (way.alive(second.moments) - start) / (high - low)
    room = memory - way.held(first)
    with np.errstate(divide='ignore', invalid='ignore'):
        most = np.where(slope > 0, low + (room - start) / slope, MOST)
    if (start[slope <= 0] > room).any():
        return 0
    return int(np.clip(np.floor(most.min()), 0, MOST))


def _is_valid(step: FakeStep, batch: int) -> bool:
    """Whether the method can learn from so many pictures."""
    try:
        step.model.check_batch(batch)
    except ValueError:
        return False
    return True
