"""Plots of a study's results."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from .results import ACCURACIES
from .statistics import final_values, interval, paired

AXES = (
    ('epoch', 'epochs', 1.0),
    ('gflops', 'training cost (TFLOP)', 1e-3),
    ('seconds', 'training time (min)', 1 / 60),
)
POINTS: dict = dict(marker='o', markersize=4, capsize=2)
#: Title and column; of the last two the share over the object's own.
LOOP = (
    ('most attended patches masked', 'top_masked'),
    ('spread of the scores', 'score_std'),
    ('own pictures found (alignment)', 'align_acc'),
    ('effective rank of CLS', 'rank_cls'),
    ('effective rank of the mean', 'rank_mean'),
    ('attention on objects / chance', 'object_attention'),
    ('masked on objects / chance', 'object_masked'),
)


def plot_progress(
    rows: pd.DataFrame, lengths: dict[str, list[str]], path: Path
) -> bool:
    """Accuracy over epochs, FLOPs and time; bars are standard deviations.

    Args:
        rows: Of one data set.
        lengths: The methods to draw, each with its other lengths, which are
            drawn in its colour.
        path: Of the picture.

    Returns:
        Whether there was anything to draw.
    """
    names = [*lengths, *itertools.chain(*lengths.values())]
    rows = rows[rows['method'].isin(names)]
    rows = rows.dropna(subset=ACCURACIES, how='all')
    if rows.empty:
        return False
    columns = [axis for axis in AXES if rows[axis[0]].count()]
    figure = Figure(
        figsize=(4 * len(columns), 11), dpi=80, layout='constrained'
    )
    axes = figure.subplots(
        len(ACCURACIES), len(columns), sharey='row', squeeze=False
    )
    for line, accuracy in zip(axes, ACCURACIES, strict=True):
        for axis, (column, label, unit) in zip(line, columns, strict=True):
            for place, (method, others) in enumerate(lengths.items()):
                for name in (method, *others):
                    points = _over_seeds(rows, name, column, accuracy)
                    if len(points):
                        axis.errorbar(
                            points['x'] * unit,
                            points['mean'],
                            points['std'],
                            label=name,
                            linestyle='-' if name == method else '--',
                            **_style(place),
                        )
            axis.set(xlabel=label)
            axis.grid(alpha=0.3)
        line[0].set(ylabel=f'{accuracy}, top-1 (%)')
    _legend(figure)
    figure.savefig(path)
    return True


def plot_differences(rows: pd.DataFrame, reference: str, path: Path) -> bool:
    """Each method against one: paired differences, 95 % intervals.

    Args:
        rows: Of one data set.
        reference: The method to compare with.
        path: Of the picture.

    Returns:
        Whether there was anything to draw.
    """
    differences = paired(final_values(rows), reference)
    methods = [name for name in rows['method'].unique() if name != reference]
    columns = (*ACCURACIES, 'finetune')
    others = differences.query('method != @reference')
    if others[[*columns]].isna().all(axis=None):
        return False
    size = (13, 1.2 + 0.27 * len(methods))
    figure = Figure(figsize=size, dpi=80, layout='constrained')
    axes = figure.subplots(1, len(columns), sharey=True)
    for axis, column in zip(axes, columns, strict=True):
        for place, method in enumerate(methods):
            points = differences.loc[method, column].dropna()
            axis.plot(points, [place] * len(points), '.', color='0.7')
            difference = interval(points)
            if difference.seeds > 1:
                axis.errorbar(
                    difference.mean,
                    place,
                    xerr=difference.half,
                    color='C3' if difference.is_clear else 'C0',
                    **POINTS,
                )
        axis.axvline(0, color='black', linewidth=0.8)
        axis.set(title=column, xlabel=f'points more than {reference}')
        axis.set_xlim(*_limits(axis.get_xlim()))
        axis.grid(alpha=0.3)
    axes[0].set_yticks(range(len(methods)), methods)
    axes[0].invert_yaxis()
    figure.savefig(path)
    return True


def plot_loop(rows: pd.DataFrame, methods: Sequence[str], path: Path) -> bool:
    """Does contrast shape attention, and attention the masks?

    Args:
        rows: Of one data set.
        methods: The methods to draw.
        path: Of the picture.

    Returns:
        Whether there was anything to draw.
    """
    drawn = rows[rows['method'].isin(methods)].copy()
    for column in ('object_attention', 'object_masked'):
        drawn[column] /= drawn['object_share'].replace(0, float('nan'))
    # Of what is logged there are those columns alone that have values.
    plots = [
        (title, name)
        for title, name in LOOP
        if name in drawn and drawn[name].count()
    ]
    if not plots:
        return False
    lines = math.ceil(len(plots) / 4)
    figure = Figure(figsize=(13, 3 * lines), dpi=80, layout='constrained')
    axes = figure.subplots(lines, 4, squeeze=False).ravel()
    for axis in axes[len(plots) :]:
        axis.remove()
    for axis, (title, column) in zip(axes, plots, strict=False):
        for place, method in enumerate(methods):
            points = _over_seeds(drawn, method, 'epoch', column)
            if len(points):
                axis.errorbar(
                    points['x'],
                    points['mean'],
                    points['std'],
                    label=method,
                    **_style(place),
                )
        axis.set(title=title, xlabel='epochs')
        axis.grid(alpha=0.3)
    _legend(figure)
    figure.savefig(path)
    return True


def _style(place: int) -> dict:
    """A colour and a marker that no other of 20 methods has."""
    marker = 'o' if place < 10 else 's'
    return dict(POINTS, color=f'C{place % 10}', marker=marker)


def _legend(figure: Figure) -> None:
    """Of all that is drawn anywhere, beside it."""
    handles: dict[str, Artist] = {}
    for axis in figure.axes:
        found = zip(*axis.get_legend_handles_labels(), strict=True)
        handles |= {label: handle for handle, label in found}
    if handles:
        figure.legend(
            [*handles.values()],
            [*handles],
            loc='outside right upper',
            fontsize=8,
        )


def _over_seeds(
    rows: pd.DataFrame, method: str, x: str, y: str
) -> pd.DataFrame:
    """Mean of x, mean and standard deviation of y at each evaluation."""
    measured = rows[rows['method'] == method].dropna(subset=[y])
    return measured.groupby('iteration').agg(
        x=(x, 'mean'), mean=(y, 'mean'), std=(y, 'std')
    )


def _limits(limits: tuple[float, float]) -> tuple[float, float]:
    """At most 15 points either way: intervals of two seeds are wide."""
    return max(limits[0], -15.0), min(limits[1], 15.0)
