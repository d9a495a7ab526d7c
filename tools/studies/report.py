"""Tables and plots of a study, from its runs, by one call."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ccmim_mm.engine.files import write_whole

from .plots import plot_differences, plot_loop, plot_progress
from .results import ACCURACIES, ANALYSED, LOGGED, Row, collect, write_csv
from .statistics import final_values, paired, spread

JUDGED = (*ACCURACIES, 'finetune')
COSTS = ('epoch', 'gflops', 'seconds')


def write_report(grid: Config, root: Path, out: Path) -> list[Path]:
    """Write ``results.csv``, ``tables.md`` and the plots.

    Args:
        grid: See :func:`studies.load_grid`.
        root: Work dir of the study.
        out: Folder to write to.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: If no run has ended yet.
    """
    rows = collect(grid, root)
    if not rows:
        raise FileNotFoundError(
            f'no run in {root} has ended: python tools/study.py run first'
        )
    out.mkdir(parents=True, exist_ok=True)
    written = [out / 'results.csv', out / 'tables.md']
    write_csv(rows, written[0])
    sections = ['# Tables\n\nWritten by `tools/study.py report`.\n']
    lengths = {
        name: [k for k, v in grid.lengths.items() if v.method == name]
        for name in grid.core
    }
    for dataset in grid.datasets:
        here = [row for row in rows if row['dataset'] == dataset]
        if not here:
            continue
        text = tables(here, dataset, grid.references)
        sections.append(f'## {dataset}\n\n{text}')
        paths = [
            out / f'{dataset}_{name}.png'
            for name in ('progress', 'differences', 'loop')
        ]
        plot_progress(here, lengths, paths[0])
        plot_differences(here, grid.references[0], paths[1])
        plot_loop(here, grid.core, paths[2])
        written += paths
    write_whole('\n'.join(sections).encode(), written[1])
    return written


def tables(rows: list[Row], dataset: str, references: Sequence[str]) -> str:
    """All tables of a data set, in Markdown.

    Args:
        rows: Of the data set.
        dataset: Its name.
        references: The methods that the others are compared to.
    """
    methods = list(dict.fromkeys(row['method'] for row in rows))
    references = [name for name in references if name in methods]
    parts = [
        'Top-1 in % at the end, mean ± standard deviation (seeds):\n\n'
        + accuracy_table(rows, dataset, methods, references)
    ]
    parts += [
        f'Paired difference to `{reference}`, mean ± half the 95 % interval '
        '(seeds); bold where it leaves out zero, which by chance alone one '
        'cell in 20 does:\n\n'
        + difference_table(rows, dataset, methods, reference)
        for reference in references
    ]
    parts.append(
        'Cost of the training, and what the method says of itself at the '
        'end:\n\n'
        + value_table(rows, dataset, methods, (*COSTS, *LOGGED, *ANALYSED))
    )
    return '\n'.join(parts)


def accuracy_table(
    rows: list[Row], dataset: str, methods: list[str], references: list[str]
) -> str:
    """A line per method; first the references before their first step."""
    start = [row for row in rows if row['iteration'] == 0]
    lines = [
        _accuracy_line(start, dataset, m, f'`{m}` before the first step')
        for m in references
    ]
    lines += [_accuracy_line(rows, dataset, m, f'`{m}`') for m in methods]
    return _table(('method', *JUDGED), lines)


def _accuracy_line(
    rows: list[Row], dataset: str, method: str, label: str
) -> list[str]:
    cells = [label]
    for column in JUDGED:
        values = final_values(rows, dataset, method, column)
        cells.append('')
        if values:
            mean, std, count = spread(values.values())
            deviation = f' ± {std:.1f}' if count > 1 else ''
            cells[-1] = f'{mean:.1f}{deviation} ({count})'
    return cells


def difference_table(
    rows: list[Row], dataset: str, methods: list[str], reference: str
) -> str:
    """A line per method but the reference."""
    lines = []
    for method in methods:
        cells = [f'`{method}`']
        for column in JUDGED:
            difference = paired(
                final_values(rows, dataset, method, column),
                final_values(rows, dataset, reference, column),
            )
            if difference is None:
                cells.append('')
            elif difference.seeds == 1:
                cells.append(f'{difference.mean:+.1f} (1)')
            else:
                text = f'{difference.mean:+.1f} ± {difference.half:.1f}'
                text = f'**{text}**' if difference.is_clear else text
                cells.append(f'{text} ({difference.seeds})')
        if method != reference and any(cells[1:]):
            lines.append(cells)
    return _table(('method', *JUDGED), lines)


def value_table(
    rows: list[Row], dataset: str, methods: list[str], columns: tuple
) -> str:
    """Means at the end, without their spread."""
    lines = []
    for method in methods:
        cells = [f'`{method}`']
        for column in columns:
            values = final_values(rows, dataset, method, column)
            cells.append('')
            if values:
                cells[-1] = f'{spread(values.values()).mean:.3g}'
        if any(cells[1:]):
            lines.append(cells)
    measured = [i for i in range(len(columns) + 1) if any(c[i] for c in lines)]
    header = ('method', *columns)
    return _table(
        [header[i] for i in measured],
        [[c[i] for i in measured] for c in lines],
    )


def _table(header: Sequence[str], lines: list[list[str]]) -> str:
    rows = [header, ['---'] * len(header), *lines]
    return ''.join('| ' + ' | '.join(row) + ' |\n' for row in rows)
