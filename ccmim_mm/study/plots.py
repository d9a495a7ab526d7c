"""Plots of a study's results."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .results import ACCURACIES, Row
from .statistics import final_values, paired

#: The question itself; what else was varied is left to the differences.
CORE = ('mae', 'scored_masks', 'alignment', 'ccmim')
AXES = (
    ('epoch', 'epochs', 1.0),
    ('gflops', 'training cost (TFLOP)', 1e-3),
    ('seconds', 'training time (min)', 1 / 60),
)
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


def plot_progress(rows: list[Row], path: Path) -> None:
    """Accuracy over epochs, FLOPs and time; bars are standard deviations.

    Lengths of a method other than the grid's are drawn in its colour.
    """
    figure = Figure(figsize=(12, 11), dpi=80, layout='constrained')
    axes = figure.subplots(len(ACCURACIES), len(AXES), sharey='row')
    methods = [
        m
        for m in dict.fromkeys(row['method'] for row in rows)
        if m.split('_x')[0] in CORE
    ]
    for line, accuracy in zip(axes, ACCURACIES, strict=True):
        for axis, (column, label, unit) in zip(line, AXES, strict=True):
            for method in methods:
                base = method.split('_x')[0]
                x, y, std = _over_seeds(rows, method, column, accuracy)
                axis.errorbar(
                    x * unit,
                    y,
                    std,
                    capsize=2,
                    label=method,
                    color=f'C{CORE.index(base)}',
                    linestyle='-' if method == base else '--',
                    marker='o' if method == base else 's',
                    markersize=4,
                )
            axis.set(xlabel=label)
            axis.grid(alpha=0.3)
        line[0].set(ylabel=f'{accuracy}, top-1 (%)')
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path)


def plot_differences(rows: list[Row], path: Path) -> None:
    """Each method against ccMIM: paired differences, 95 % intervals."""
    methods = [
        m for m in dict.fromkeys(row['method'] for row in rows) if m != 'ccmim'
    ]
    columns = (*ACCURACIES, 'finetune')
    size = (13, 1.2 + 0.27 * len(methods))
    figure = Figure(figsize=size, dpi=80, layout='constrained')
    axes = figure.subplots(1, len(columns), sharey=True)
    dataset = rows[0]['dataset']
    for axis, column in zip(axes, columns, strict=True):
        reference = final_values(rows, dataset, 'ccmim', column)
        for place, method in enumerate(methods):
            values = final_values(rows, dataset, method, column)
            difference = paired(values, reference)
            if difference is None:
                continue
            seeds = values.keys() & reference.keys()
            points = [values[s] - reference[s] for s in seeds]
            axis.plot(points, [place] * len(points), '.', color='0.7')
            if difference.seeds > 1:
                axis.errorbar(
                    difference.mean,
                    place,
                    xerr=difference.half,
                    fmt='o',
                    markersize=4,
                    capsize=2,
                    color='C3' if difference.is_clear else 'C0',
                )
        axis.axvline(0, color='black', linewidth=0.8)
        axis.set(title=column, xlabel='points more than ccmim')
        axis.set_xlim(*_limits(axis.get_xlim()))
        axis.grid(alpha=0.3)
    axes[0].set_yticks(range(len(methods)), methods)
    axes[0].invert_yaxis()
    figure.savefig(path)


def plot_loop(rows: list[Row], path: Path) -> None:
    """Does contrast shape attention, and attention the masks?"""
    core = [row for row in rows if row['method'] in CORE]
    plots = [
        (title, column)
        for title, column in LOOP
        if any(row[column] is not None for row in core)
    ]
    size = (3.4 * len(plots), 3.2)
    figure = Figure(figsize=size, dpi=80, layout='constrained')
    axes = figure.subplots(1, max(1, len(plots)), squeeze=False)[0]
    for axis, (title, column) in zip(axes, plots, strict=False):
        for place, method in enumerate(CORE):
            x, y, std = _over_seeds(core, method, 'epoch', column)
            if len(x):
                label = dict(label=method, color=f'C{place}', capsize=2)
                axis.errorbar(x, y, std, marker='o', markersize=4, **label)
        axis.set(title=title, xlabel='epochs')
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(path)


def _over_seeds(
    rows: Sequence[Row], method: str, x: str, y: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of x, mean and standard deviation of y at each evaluation."""
    points: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        if row['method'] == method and row[y] is not None and row[x] != '':
            value = row[y]
            if y in ('object_attention', 'object_masked'):
                value /= row['object_share']
            points.setdefault(row['iteration'], []).append((row[x], value))
    means = np.array([np.mean(points[i], axis=0) for i in sorted(points)])
    stds = [np.std(points[i], axis=0)[1] for i in sorted(points)]
    means = means.reshape(-1, 2)
    return means[:, 0], means[:, 1], np.array(stds)


def _limits(limits: tuple[float, float]) -> tuple[float, float]:
    """At most 15 points either way: intervals of two seeds are wide."""
    return max(limits[0], -15.0), min(limits[1], 15.0)
