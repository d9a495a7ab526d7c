"""Timing that survives a machine whose speed drifts."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16)


def now(device: str) -> float:
    """Seconds, when the device has done what it was given."""
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter()


def alternate(
    tasks: dict[str, Callable[[], Any]],
    device: str,
    repeats: int,
    warmup: int = 3,
) -> dict[str, list[float]]:
    """Time tasks in turns, A B C A B C …, so that drift meets all alike.

    Args:
        tasks: What to run, by name.
        device: ``cpu`` or ``cuda``.
        repeats: Rounds that count.
        warmup: Rounds before, that do not.

    Returns:
        The seconds of each counted round, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(warmup + repeats):
        for name, task in tasks.items():
            start = now(device)
            task()
            passed = now(device) - start
            if number >= warmup:
                seconds[name].append(passed)
    return seconds


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(
        a / b for a, b in zip(numerator, denominator, strict=True)
    )


def matmul_task(device: str, precision: str, side: int) -> Callable[[], Any]:
    """A product of two square matrices, ``2 * side**3`` FLOPs."""
    a, b = torch.randn(
        2, side, side, device=device, dtype=DTYPES[precision]
    ).unbind()
    return lambda: torch.mm(a, b)


@contextmanager
def metered(
    parts: dict[str, tuple[Any, str]],
    read: Callable[[], float],
    into: dict[str, float],
) -> Iterator[None]:
    """Add up how far a meter goes during the calls of some methods.

    Args:
        parts: Object and method name, by the part's name.
        read: Reads the meter: seconds, FLOPs.
        into: Where the sums go, by the part's name.
    """

    def wrap(name: str, method: Callable) -> Callable:
        def call(*args, **kwargs):
            start = read()
            result = method(*args, **kwargs)
            into[name] = into.get(name, 0) + read() - start
            return result

        return call

    for name, (owner, method) in parts.items():
        # In the instance, in front of the class's.
        owner.__dict__[method] = wrap(name, getattr(owner, method))
    try:
        yield
    finally:
        for owner, method in parts.values():
            del owner.__dict__[method]
