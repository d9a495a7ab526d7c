"""The largest batch that fits, by few fake runs."""

import numpy as np

from .fake_step import FakeStep, Trace
from .ways import Way

#: No batch above is looked for, in pictures.
MOST = 2**17
#: Fake runs to find the largest batch, at most.
_TRIES = 12


def largest_batch(
    way: Way, step: FakeStep, traces: dict[int, Trace], memory: float
) -> tuple[int, float] | None:
    """The most pictures of which a step fits, and its peak in bytes.

    What is returned was run and fits. That one more does not is either run
    or read off the lines of every moment's bytes through two runs, which
    are exact up to the rounding to blocks.

    Args:
        way: How.
        step: The method.
        traces: Of at least one batch; what is run is added.
        memory: In bytes.

    Returns:
        None if not even the smallest batch that the method takes fits. After
        twelve runs the largest that fits so far, which may be a few short.
    """
    for _ in range(_TRIES):
        fits, over = _bounds(way, traces, memory)
        guess = _guess(fits, over, way, traces, memory)
        while guess > fits and not _is_valid(step, guess):
            guess -= 1
        if guess <= fits:
            break
        traces[guess] = step.trace(guess)
    fits, _ = _bounds(way, traces, memory)
    return (fits, way.peak(traces[fits])) if fits else None


def _bounds(
    way: Way, traces: dict[int, Trace], memory: float
) -> tuple[int, int]:
    """The largest batch that was run and fits, the smallest that does not."""
    peaks = {batch: way.peak(trace) for batch, trace in traces.items()}
    fits = max((b for b, p in peaks.items() if p <= memory), default=0)
    over = min((b for b, p in peaks.items() if p > memory), default=MOST)
    return fits, over


def _guess(
    fits: int,
    over: int,
    way: Way,
    traces: dict[int, Trace],
    memory: float,
) -> int:
    """The batch to run next, between ``fits`` and ``over``, or ``fits``.

    Bytes grow with the batch as lines do, or faster (logits of all pairs):
    lines through two batches that fit allow too many beyond them if any,
    lines through one that fits and one that does not too few between.
    """
    ran = sorted(traces)
    left = memory - way.held(traces[ran[0]])
    alive = {b: way.alive(traces[b].moments) for b in ran}
    below = [b for b in ran if b <= fits][-2:]
    most = over - 1
    if len(below) == 2:
        low, high = below
        most = min(most, _allowed(alive, low, high, left))
    if most <= fits or (over == MOST and len(below) == 2):
        return max(most, fits)
    pair = [b for b in ran if b in (fits, over)]
    if len(pair) == 1:
        pair = [b for b in ran if b >= pair[0]][:2]
    guess = _allowed(alive, pair[0] if pair[1:] else 0, pair[-1], left)
    guess = min(max(guess, fits + 1), most)
    # The truth is between these two where both are known.
    return (guess + most) // 2 if len(below) == 2 else guess


def _allowed(
    alive: dict[int, np.ndarray], low: int, high: int, left: float
) -> int:
    """Pictures that lines through two batches allow; 0 has no bytes.

    Args:
        alive: Bytes that come and go, at each moment, by batch.
        low: The smaller one.
        high: The other.
        left: Bytes that there are for them.
    """
    first, second = alive.get(low, np.zeros(1)), alive[high]
    if len(first) != len(second):
        # Of other operations: the peaks alone are compared.
        first, second = first.max(keepdims=True), second.max(keepdims=True)
    slopes = (second - first) / (high - low)
    grows = slopes > 0
    if not grows.any():
        return MOST
    more = (left - second[grows]) / slopes[grows]
    return high + int(np.floor(more.min()))


def _is_valid(step: FakeStep, batch: int) -> bool:
    """Whether the method can learn from so many pictures."""
    try:
        step.model.check_batch(batch)
    except ValueError:
        return False
    return True
