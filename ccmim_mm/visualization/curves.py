"""The curves of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

#: Title, unit and the logged values of each plot.
PLOTS = (
    ('reconstruction loss', 'MSE', ('loss_rec',)),
    ('alignment', 'nats', ('align_ce',)),
    (
        'how the alignment and the mask do',
        'share',
        ('align_acc', 'top_masked'),
    ),
    ('learning rate', '', ('lr',)),
)


def plot_curves(
    scalars: dict[str, np.ndarray],
    evaluations: Sequence[dict[str, float]],
    out_file: str | Path,
) -> None:
    """Plot a run's losses and evaluations.

    Args:
        scalars: Value of each iteration by name; what is not there is left
            out, and smoothed over 1 % of the run.
        evaluations: Each with ``iter`` and percentages by name.
        out_file: Where to write the PNG.
    """
    plots = [p for p in PLOTS if any(name in scalars for name in p[2])]
    count = len(plots) + bool(evaluations)
    figure = Figure(figsize=(4.2 * count, 3), dpi=100, layout='constrained')
    axes = figure.subplots(1, count, squeeze=False)[0]
    for axis, (title, unit, names) in zip(axes, plots, strict=False):
        for name in names:
            if name in scalars:
                values = smooth(scalars[name])
                axis.plot(np.arange(1, len(values) + 1), values, label=name)
        axis.set(title=title, ylabel=unit, xlabel='iteration')
        axis.legend()
    if evaluations:
        axis = axes[-1]
        iters = [point['iter'] for point in evaluations]
        for name in evaluations[0]:
            if name != 'iter':
                axis.plot(
                    iters,
                    [point[name] for point in evaluations],
                    marker='.',
                    label=name,
                )
        axis.set(
            title='frozen features', ylabel='top-1 (%)', xlabel='iteration'
        )
        axis.legend()
    figure.savefig(out_file)


def smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a trailing window of 1 % of the values, at least one."""
    window = max(1, len(values) // 100)
    sums = np.cumsum(np.insert(values.astype(float), 0, 0.0))
    starts = np.maximum(np.arange(1, len(sums)) - window, 0)
    ends = np.arange(1, len(sums))
    return (sums[ends] - sums[starts]) / (ends - starts)
