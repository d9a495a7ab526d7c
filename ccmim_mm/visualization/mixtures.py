"""Separability over the mix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

#: Title, label of the axis, the value, and what it is compared with.
PANELS = (
    ('linear separability', 'LS', 'ls', None),
    ('subordinate picture', 'R²', 'r2_sub', 'reference_sub'),
    ('dominant picture', 'R²', 'r2_dom', 'reference_dom'),
)
DS_PANELS = (
    ('subordinate picture', 'DS', 'ds_sub', None),
    ('dominant picture', 'DS', 'ds_dom', None),
)


def plot_mixtures(
    mixtures: Mapping[str, Sequence[dict[str, Any]]], out_file: str | Path
) -> None:
    """Plot LS and what it is made of, and DS where it was measured.

    Args:
        mixtures: Of each encoder, by its name, the ``mixtures`` that
            :func:`~ccmim_mm.apis.judge_mixtures` returns.
        out_file: Where to write the PNG.
    """
    rows = next(iter(mixtures.values()))
    panels = PANELS + (DS_PANELS if 'ds_sub' in rows[0] else ())
    size = (3.4 * len(panels), 3.2 + 0.2 * len(mixtures))
    figure = Figure(figsize=size, dpi=100, layout='constrained')
    axes = figure.subplots(1, len(panels))
    for axis, (title, label, value, reference) in zip(
        axes, panels, strict=True
    ):
        for place, (name, rows) in enumerate(mixtures.items()):
            weights = [row['weight'] for row in rows]
            style: dict = dict(color=f'C{place}')
            # A pair of dollars would be set as a formula.
            text = name.replace('$', r'\$')
            points = [row[value] for row in rows]
            axis.plot(weights, points, marker='.', label=text, **style)
            if reference is not None:
                points = [row[reference] for row in rows]
                axis.plot(weights, points, linestyle=':', **style)
        if reference is None:
            axis.axhline(0, color='0.5', linestyle=':')
        axis.set(title=title, xlabel='weight of the subordinate', ylabel=label)
        axis.grid(alpha=0.3)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc='outside lower center',
        title='dotted: mere superposition',
    )
    figure.savefig(out_file)
