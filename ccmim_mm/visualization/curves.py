"""The curves of a run."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..models.algorithms import Curve

LEARNING_RATE = Curve('learning rate', '', ('lr',))


def plot_curves(
    rows: Sequence[dict[str, Any]],
    curves: Sequence[Curve],
    evaluations: Sequence[dict[str, float]],
    out_file: str | Path,
) -> None:
    """Plot a run's logged values and evaluations.

    Args:
        rows: What was logged, each with ``iter`` and values by name, which
            the log has averaged over its window.
        curves: The plots; one none of whose values was logged is left out.
        evaluations: Each with ``iter`` and percentages by name.
        out_file: Where to write the PNG.
    """
    logged = {name for row in rows for name in row}
    plots = [c for c in (*curves, LEARNING_RATE) if logged & {*c.names}]
    count = max(1, len(plots) + bool(evaluations))
    figure = Figure(figsize=(4.2 * count, 3), dpi=100, layout='constrained')
    axes = figure.subplots(1, count, squeeze=False)[0]
    for axis, curve in zip(axes, plots, strict=False):
        for name in curve.names:
            points = [(r['iter'], r[name]) for r in rows if name in r]
            if points:
                axis.plot(*zip(*points, strict=True), label=name)
        axis.set(title=curve.title, ylabel=curve.unit, xlabel='iteration')
        axis.legend()
    if evaluations:
        axis = axes[-1]
        iters = [point['iter'] for point in evaluations]
        # One that was not finite has no figure there.
        for name in dict.fromkeys(n for p in evaluations for n in p):
            if name != 'iter':
                axis.plot(
                    iters,
                    [point.get(name, math.nan) for point in evaluations],
                    marker='.',
                    label=name,
                )
        axis.set(
            title='frozen features', ylabel='top-1 (%)', xlabel='iteration'
        )
        axis.legend()
    figure.savefig(out_file)
