"""What pre-trained encoders give on other data sets and tasks."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from mmengine.config import Config

from ccmim_mm.run_files import read_summary

from .checks import SCHEDULED, check_keys, check_overrides, check_schedule
from .run import NO_PRETRAINING, Run, schedule
from .statistics import difference_cell, spread_cell

COLUMNS = ('dataset', 'method', 'seed', 'transfer', 'figure', 'value')


def transfer_runs(grid: Config, pretraining: Iterable[Run]) -> list[Run]:
    """The runs of a grid's ``transfers``.

    Each is a config, the data set's folder and overrides, for each method of
    ``transferred``, random weights (``no_pretraining``) among them. With
    ``epochs`` and ``warmup`` the schedule is brought to them; with
    ``at='start'`` what counts is the evaluation before the first step. A
    transfer starts from the pre-training of its own seed, or all from that
    of the seed ``transfer_from``.
    """
    before = {(run.dataset, run.method, run.seed): run for run in pretraining}
    runs = []
    for seed in grid.seeds if grid.transfers else ():
        origin = seed if grid.transfer_from is None else grid.transfer_from
        for dataset in grid.datasets:
            for name, spec in grid.transfers.items():
                options = {**grid.options, 'randomness.seed': seed}
                if 'epochs' in spec:
                    options |= schedule(spec.epochs, spec.warmup)
                options |= spec.get('options', {})
                runs += [
                    Run(
                        *(dataset, method, seed, name, spec.config, options),
                        before.get((dataset, method, origin)),
                        data=spec.data,
                    )
                    for method in grid.transferred
                ]
    return runs


def check_transfers(grid: Config, path: str | Path) -> None:
    """Refuse transfers that mean nothing.

    Raises:
        ValueError: Naming what is wrong.
    """
    for name, default in (
        ('transfers', {}),
        ('transferred', []),
        ('transfer_from', None),
    ):
        grid.setdefault(name, default)
    known = {*grid.methods, *grid.lengths, NO_PRETRAINING}
    if unknown := {*grid.transferred} - known:
        raise ValueError(
            f'{path}: transferred names {sorted(unknown)}, which are no '
            f'methods: it has {sorted(known)}'
        )
    for name, spec in grid.transfers.items():
        entry = f'{path}: transfers.{name}'
        check_keys(entry, spec, ('config', 'data', 'figures'))
        if {'epochs', 'warmup'} & {*spec}:
            check_keys(entry, spec, SCHEDULED)
            check_schedule(entry, spec)
        check_overrides(f'{entry}.options', spec.get('options', {}))
        if spec.get('at', 'end') not in ('start', 'end'):
            raise ValueError(
                f"{entry}: at={spec.at!r} means nothing: give 'start' or 'end'"
            )
        if name in ('pretrain', 'finetune'):
            raise ValueError(f'{path}: no transfer can be called {name}')
    origin = grid.transfer_from
    if origin is not None and origin not in grid.seeds:
        raise ValueError(
            f'{path}: transfer_from={origin} is none of the seeds {grid.seeds}'
        )


def figures_at(work_dir: Path, at: str = 'end') -> dict[str, float]:
    """What a run's evaluation found; empty if it lacks that one.

    Args:
        work_dir: Of the run.
        at: ``'start'``, before the first step, or ``'end'``.

    Raises:
        ValueError: If its summary is damaged.
    """
    summary = read_summary(work_dir, 'iterations', 'evaluations')
    if summary is None:
        return {}
    iteration = 0 if at == 'start' else summary['iterations']
    found = [p for p in summary['evaluations'] if p['iter'] == iteration]
    return found[-1] if found else {}


def transfer_values(
    grid: Config, runs: Iterable[Run], root: Path
) -> pd.DataFrame:
    """A row per figure of each transfer that is done.

    Args:
        grid: See :func:`studies.load_grid`.
        runs: Its transfers that have ended well.
        root: Work dir of the study.

    Returns:
        A table of ``COLUMNS``, figures in percent.

    Raises:
        ValueError: If an evaluation lacks a figure that the grid names.
    """
    rows = []
    for run in runs:
        spec = grid.transfers[run.stage]
        found = figures_at(run.work_dir(root), spec.get('at', 'end'))
        for title, (key, unit) in spec.figures.items():
            if key not in found:
                raise ValueError(
                    f'{run.name} has no {key}, but {", ".join(found)}: mend '
                    f'transfers.{run.stage}.figures'
                )
            where = (run.dataset, run.method, run.seed, run.stage)
            rows.append((*where, title, found[key] * unit))
    return pd.DataFrame(rows, columns=COLUMNS)


def transfer_table(values: pd.DataFrame, methods: Iterable[str]) -> str:
    """A line per figure: every method, and each less random weights.

    Args:
        values: See :func:`transfer_values`, of one data set.
        methods: In the order of the columns.
    """
    methods = [m for m in methods if m in {*values['method']}]
    lines = []
    for (transfer, figure), here in values.groupby(
        ['transfer', 'figure'], sort=False
    ):
        wide = here.pivot(index='seed', columns='method', values='value')
        line = dict(task=transfer, figure=figure)
        line |= {f'`{m}`': spread_cell(wide[m]) for m in methods if m in wide}
        if NO_PRETRAINING in wide:
            line |= {
                f'`{m}` - random': difference_cell(
                    wide[m] - wide[NO_PRETRAINING]
                )
                for m in methods
                if m in wide and m != NO_PRETRAINING
            }
        lines.append(line)
    return (
        pd.DataFrame(lines)
        .fillna('')
        .to_markdown(index=False, tablefmt='github', disable_numparse=True)
    )
