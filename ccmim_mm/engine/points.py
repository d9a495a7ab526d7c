"""What a run remembers of itself, over resumes."""

import math
from numbers import Real

from mmengine.logging import MessageHub


def remember(runner, name: str, values: dict[str, float]) -> None:
    """Keep some values with their iteration, in the message hub.

    Args:
        runner: The runner.
        name: Of the series.
        values: By name.
    """
    hub = runner.message_hub
    point = dict(iter=runner.iter, **values)
    hub.update_info(name, [*recall(hub, name), point])


def recall(hub: MessageHub, name: str) -> list[dict[str, float]]:
    """The series so far: ``iter`` and the values of each point."""
    return hub.runtime_info.get(name, [])


def evaluations(hub: MessageHub) -> list[dict[str, float]]:
    """What the evaluations so far found, of whatever task."""
    return recall(hub, 'frozen_features') or recall(hub, 'evaluations')


def main_figures(metrics: dict | None) -> dict[str, float]:
    """The figures of an evaluation that are no part of another.

    So ``bbox_mAP`` but not ``bbox_mAP_50``, and neither lists nor what is
    not finite.
    """
    figures = {
        name: float(value)
        for name, value in (metrics or {}).items()
        if isinstance(value, Real) and math.isfinite(value)
    }
    return {
        name: value
        for name, value in figures.items()
        if not any(name.startswith(f'{other}_') for other in figures)
    }
