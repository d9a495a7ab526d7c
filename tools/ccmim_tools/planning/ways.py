"""Peak memory of a process by way of training, and what fits."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from torch import nn

from .fake_step import FakeStep, Trace

#: No batch above is looked for, in pictures.
MOST = 2**17
#: Fake runs to find the largest batch, at most.
_TRIES = 10


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

    Between the largest batch that was run and fits and the smallest that
    does not, a line through the peaks of both says which is run next; peaks
    grow a little faster than lines, so it falls short and never over.

    Args:
        way: How.
        step: The method.
        traces: Of at least one batch; what is run is added.
        memory: In bytes.

    Returns:
        None if not even the smallest batch that the method takes fits. After
        ten runs the largest that fits so far, which may be a few short.
    """
    for _ in range(_TRIES):
        peaks = {batch: way.peak(trace) for batch, trace in traces.items()}
        fits = max((b for b, p in peaks.items() if p <= memory), default=0)
        over = min((b for b, p in peaks.items() if p > memory), default=MOST)
        guess = _between(peaks, fits, over, way, traces, memory)
        while guess > fits and not _is_valid(step, guess):
            guess -= 1
        if guess <= fits:
            break
        traces[guess] = step.trace(guess)
    peaks = {batch: way.peak(trace) for batch, trace in traces.items()}
    fits = max((b for b, p in peaks.items() if p <= memory), default=0)
    return (fits, peaks[fits]) if fits else None


def _between(
    peaks: dict[int, float],
    fits: int,
    over: int,
    way: Way,
    traces: dict[int, Trace],
    memory: float,
) -> int:
    """The batch to run next, between ``fits`` and ``over``, or ``fits``."""
    if over - fits <= 1:
        return fits
    held = way.held(traces[min(traces)])
    # Of no pictures the step has what is held; of more than were run the
    # line through the last goes on.
    low, at_low = (fits, peaks[fits]) if fits else (0, held)
    if over < MOST:
        high, at_high = over, peaks[over]
    else:
        smaller = [b for b in peaks if b < low]
        high, at_high = low, at_low
        low = max(smaller, default=0)
        at_low = peaks.get(low, held)
    slope = (at_high - at_low) / (high - low)
    guess = low + int((memory - at_low) / slope)
    return min(max(guess, fits + 1), over - 1)


def _is_valid(step: FakeStep, batch: int) -> bool:
    """Whether the method can learn from so many pictures."""
    try:
        step.model.check_batch(batch)
    except ValueError:
        return False
    return True
