"""Tables and plots of a study, from its runs, by one call."""

from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path

import pandas as pd
from mmengine.config import Config

from ccmim_mm.files import check_output, write_atomic

from .earlier import join_earlier
from .grid import expand
from .plots import plot_differences, plot_loop, plot_progress
from .records import is_done
from .results import ACCURACIES, ANALYSED, COLUMNS, LOGGED, collect
from .statistics import (
    difference_cell,
    final_values,
    paired,
    spread_cell,
)
from .transfer import transfer_table, transfer_values

JUDGED = (*ACCURACIES, 'finetune')
COSTS = ('epoch', 'gflops', 'seconds')


def write_report(
    grid: Config, root: Path, out: Path, earlier: Sequence[Path] = ()
) -> list[Path]:
    """Write ``results.csv``, ``tables.md`` and the plots.

    Args:
        grid: See :func:`studies.load_grid`.
        root: Work dir of the study.
        out: Folder to write to.
        earlier: Tables of other reports, see :func:`earlier.join_earlier`.

    Returns:
        The files written: of a plot with nothing to draw there is none.

    Raises:
        FileNotFoundError: If no run has ended yet, or a table is missing.
        FileExistsError: If the folder holds something else than a report.
        ValueError: If a run was another than the grid has now, or a table
            is of something else.
    """
    if not _is_report(out):
        check_output(out)
    own = collect(grid, root), _transferred(grid, root)
    rows, values = join_earlier(own, grid, earlier)
    if rows.empty and values.empty:
        raise FileNotFoundError(
            f'no run in {root} has ended: ccmim study run first'
        )
    out.mkdir(parents=True, exist_ok=True)
    written = [out / 'results.csv', out / 'tables.md']
    text = rows.to_csv(index=False, float_format='%.6g')
    write_atomic(text.encode(), written[0])
    text = tables(rows, grid.references, grid.core)
    write_atomic(text.encode(), written[1])
    lengths = {
        name: [k for k, v in grid.lengths.items() if v.method == name]
        for name in grid.core
    }
    if grid.transfers:
        written += _write_transfers(values, grid.transferred, out)
    for dataset, here in rows.groupby('dataset', sort=False):
        paths = [
            out / f'{dataset}_{name}.png'
            for name in ('progress', 'differences', 'loop')
        ]
        drawn = (
            plot_progress(here, lengths, paths[0]),
            plot_differences(here, grid.references[0], paths[1]),
            plot_loop(here, grid.core, paths[2]),
        )
        written += compress(paths, drawn)
    return written


def _transferred(grid: Config, root: Path) -> pd.DataFrame:
    runs = [
        run
        for run in expand(grid)
        if run.stage in grid.transfers and is_done(run, root)
    ]
    return transfer_values(grid, runs, root)


def _write_transfers(
    values: pd.DataFrame, methods: Sequence[str], out: Path
) -> list[Path]:
    written = [out / 'transfer.csv', out / 'transfer.md']
    text = values.to_csv(index=False, float_format='%.6g')
    write_atomic(text.encode(), written[0])
    parts = ['# Transfer', 'Written by `ccmim study report`.']
    parts += [
        'In %, mean ± standard deviation (seeds); against random weights '
        '(`no_pretraining`), paired by seed, mean ± half the 95 % interval, '
        'bold where it leaves out zero.'
    ]
    for dataset, here in values.groupby('dataset', sort=False):
        table = transfer_table(here, methods)
        parts += [f'## Pre-trained on {dataset}', table]
    write_atomic(('\n\n'.join(parts) + '\n').encode(), written[1])
    return written


def _is_report(folder: Path) -> bool:
    """Whether a folder holds an earlier report, to be written anew."""
    results = folder / 'results.csv'
    if not results.is_file():
        return False
    with results.open() as file:
        return file.readline().startswith(','.join(COLUMNS[:6]) + ',')


def tables(
    rows: pd.DataFrame, references: Sequence[str], core: Sequence[str]
) -> str:
    """All tables, in Markdown.

    Args:
        rows: See :func:`studies.results.collect`.
        references: The methods that the others are compared to.
        core: Those that are shown before their first step too.
    """
    parts = ['# Tables', 'Written by `ccmim study report`.']
    shown = (*COSTS, *LOGGED, *ANALYSED)
    for dataset, here in rows.groupby('dataset', sort=False):
        final = final_values(here)
        known = [name for name in references if name in final.index]
        parts += [
            f'## {dataset}',
            'Top-1 in % at the end, mean ± standard deviation (seeds):',
            accuracy_table(here, core),
        ]
        for reference in known:
            parts += [
                f'Paired difference to `{reference}`, mean ± half the 95 % '
                'interval (seeds); bold where it leaves out zero, which by '
                'chance alone one cell in 20 does:',
                difference_table(final, reference),
            ]
        parts += [
            'Cost of the training, and what the method says of itself at '
            'the end:',
            value_table(final[[c for c in shown if c in final]]),
        ]
    return '\n\n'.join(parts) + '\n'


def accuracy_table(rows: pd.DataFrame, core: Sequence[str]) -> str:
    """A line per method; first the core ones before their first step."""
    start = _by_method(final_values(rows[rows['iteration'] == 0]), spread_cell)
    start = start.loc[[name for name in core if name in start.index]]
    end = _by_method(final_values(rows), spread_cell)
    return _markdown(
        pd.concat(
            [
                start.rename('`{}` before the first step'.format),
                end.rename('`{}`'.format),
            ]
        )
    )


def difference_table(final: pd.DataFrame, reference: str) -> str:
    """A line per method but the reference."""
    cells = _by_method(paired(final, reference), difference_cell)
    cells = cells.drop(reference).dropna(how='all')
    return _markdown(cells.rename('`{}`'.format))


def value_table(final: pd.DataFrame) -> str:
    """Means at the end, without their spread."""
    means = final.groupby('method', sort=False).mean()
    means = means.dropna(how='all').dropna(how='all', axis='columns')
    cells = means.map('{:.3g}'.format, na_action='ignore')
    return _markdown(cells.rename('`{}`'.format))


def _by_method(
    values: pd.DataFrame, cell: Callable[[pd.Series], str | None]
) -> pd.DataFrame:
    """What is judged: a row per method, whose cells tell of its seeds."""
    return values.groupby('method', sort=False)[[*JUDGED]].agg(cell)


def _markdown(cells: pd.DataFrame) -> str:
    cells = cells.rename_axis('method').fillna('')
    return cells.to_markdown(tablefmt='github', disable_numparse=True)
