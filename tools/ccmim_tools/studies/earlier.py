"""Runs of earlier reports, whose work dirs lie elsewhere or are gone."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from mmengine.config import Config

from .grid import expand
from .results import COLUMNS, LOGGED, SPECTRUM, TYPES
from .transfer import COLUMNS as TRANSFERRED

#: What tells one run from another: of results.csv, of transfer.csv.
TRAINED = ['dataset', 'method', 'seed']
CARRIED = [*TRAINED, 'transfer']
ALL_TYPES = TYPES | dict(transfer='str', figure='str', value='float64')

Tables = tuple[pd.DataFrame, pd.DataFrame]


def join_earlier(own: Tables, grid: Config, paths: Iterable[Path]) -> Tables:
    """Add what earlier reports on a grid have, and a work dir has not.

    The files name no config: that their runs were what the grid has now is
    for those to know who give them.

    Args:
        own: Of the work dir: :func:`studies.results.collect`'s table and
            :func:`studies.transfer.transfer_values`'.
        grid: See :func:`studies.load_grid`. Rows take its order.
        paths: Each a ``results.csv`` or a ``transfer.csv``. Where two have
            a run, the first counts.

    Returns:
        As ``own``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is neither, or tells of runs that the grid lacks.
    """
    runs = expand(grid)
    places: dict[tuple, int] = {}
    for place, run in enumerate(runs):
        key = (run.dataset, run.method, run.seed)
        places[*key, run.stage] = place
        if run.stage in ('pretrain', 'finetune'):
            places.setdefault(key, place)
    results, transfers = own
    for path in paths:
        table = _read(path)
        if 'transfer' in table:
            transfers = _join(transfers, table, CARRIED, places, path)
        else:
            results = _join(results, table, TRAINED, places, path)
    optional = {*LOGGED, *SPECTRUM} - {*results}
    wanted = [name for name in COLUMNS if name not in optional]
    return results.reindex(columns=wanted), transfers


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f'{path}: {error}') from None
    for columns in (COLUMNS[:6], TRANSFERRED):
        if [*table.columns[: len(columns)]] == [*columns]:
            types = {k: v for k, v in ALL_TYPES.items() if k in table}
            return table.astype(types)
    raise ValueError(
        f'{path} is neither results.csv nor transfer.csv of a report: its '
        f'columns are {", ".join(table.columns[:6])}'
    )


def _join(
    own: pd.DataFrame,
    earlier: pd.DataFrame,
    key: list[str],
    places: dict[tuple, int],
    path: Path,
) -> pd.DataFrame:
    """Rows of ``own``, and those of runs that it lacks, in their places."""
    found = _runs(earlier, key)
    if unknown := sorted({*found} - {*places}):
        names = ' '.join(map(str, unknown[0]))
        raise ValueError(
            f'{path} has {len(unknown)} runs that the grid has not, the '
            f'first is {names}'
        )
    here = {*_runs(own, key)}
    left = earlier[[run not in here for run in found]]
    table = pd.concat([part for part in (own, left) if len(part)] or [own])
    order = pd.Series([places[run] for run in _runs(table, key)], dtype=int)
    return table.iloc[order.argsort(kind='stable')].reset_index(drop=True)


def _runs(table: pd.DataFrame, key: list[str]) -> list[tuple]:
    return [*table[key].itertuples(index=False, name=None)]
