"""The curves of runs."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..files import write_atomic
from ..models.algorithms import Curve
from .texts import as_text

LEARNING_RATE = Curve('learning rate', '', ('lr',))
#: Figures of frozen features: title and unit by what their names begin with.
FEATURE_FIGURES = {
    'knn_': ('frozen features', 'top-1 (%)'),
    'linear_': ('frozen features', 'top-1 (%)'),
    'rankme_': ('directions used, RankMe', 'number'),
    'alpha_': ('decay of the spectrum, alpha-ReQ', 'exponent'),
}
#: Of what else evaluations find.
OTHER_FIGURES = ('evaluation', '')
COLUMNS = 4
STYLES = ('-', '--', ':', '-.')


class History(NamedTuple):
    """What a run has logged.

    Attributes:
        rows: Logged in training, each with ``iter`` and values by name,
            which the log has averaged over its window.
        evaluations: Each with ``iter`` and figures by name.
        curves: The method's plots of the rows.
    """

    rows: Sequence[dict[str, Any]]
    evaluations: Sequence[dict[str, float]]
    curves: Sequence[Curve]


def plot_curves(
    runs: Mapping[str, History],
    out_file: str | Path,
    over: str = 'iteration',
) -> None:
    """Plot what runs logged and how they were evaluated, in one picture.

    Of one run every value has a colour; of several every run has, and the
    values of a plot differ by the style of their lines.

    Args:
        runs: By the name that the legend gives them.
        out_file: Where to write the PNG.
        over: What ``iter`` counts.
    """
    plots = _logged_plots(runs) + _evaluation_plots(runs)
    columns = max(1, min(COLUMNS, len(plots)))
    lines = max(1, math.ceil(len(plots) / columns))
    figure = Figure(
        figsize=(4.2 * columns, 3.4 * lines), dpi=100, layout='constrained'
    )
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, plot in zip(axes, plots, strict=False):
        _draw(axis, plot, runs)
        axis.set_xlabel(over)
    for axis in axes[max(1, len(plots)) :]:
        axis.remove()
    if len(runs) > 1:
        handles = [Line2D([], [], color=f'C{i}') for i in range(len(runs))]
        figure.legend(
            handles,
            [as_text(name) for name in runs],
            loc='outside lower center',
            ncols=columns,
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    write_atomic(buffer.getvalue(), out_file)


def _logged_plots(runs: Mapping[str, History]) -> list[Curve]:
    """Of the methods' plots those that something was logged of."""
    logged = {name for run in runs.values() for r in run.rows for name in r}
    every = [c for run in runs.values() for c in run.curves]
    found = dict.fromkeys([*every, LEARNING_RATE])
    return [curve for curve in found if logged & {*curve.names}]


def _evaluation_plots(runs: Mapping[str, History]) -> list[Curve]:
    points = [p for run in runs.values() for p in run.evaluations]
    plots: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys(n for p in points for n in p if n != 'iter'):
        kinds = [k for k in FEATURE_FIGURES if name.startswith(k)]
        kind = FEATURE_FIGURES[kinds[0]] if kinds else OTHER_FIGURES
        plots.setdefault(kind, []).append(name)
    return [Curve(*kind, tuple(names)) for kind, names in plots.items()]


def _draw(axis: Axes, plot: Curve, runs: Mapping[str, History]) -> None:
    several = len(runs) > 1
    for color, run in enumerate(runs.values()):
        for place, name in enumerate(plot.names):
            # What was not finite has no figure there.
            for points, marker in ((run.rows, ''), (run.evaluations, '.')):
                found = [(p['iter'], p[name]) for p in points if name in p]
                if found:
                    axis.plot(
                        *zip(*found, strict=True),
                        marker=marker,
                        color=f'C{color if several else place}',
                        linestyle=STYLES[place % 4] if several else '-',
                        label=name,
                    )
    axis.set(title=plot.title, ylabel=plot.unit)
    axis.grid(alpha=0.3)
    by_name = dict(
        zip(*reversed(axis.get_legend_handles_labels()), strict=True)
    )
    if several:
        by_name = {
            name: Line2D([], [], color='0.3', linestyle=handle.get_linestyle())
            for name, handle in by_name.items()
        }
    # Below the plot, where no line is.
    axis.legend(
        [*by_name.values()],
        [as_text(name) for name in by_name],
        loc='upper center',
        bbox_to_anchor=(0.5, -0.18),
        ncols=2,
        frameon=False,
        fontsize='small',
    )
