"""A grid of method x data set x seed, as ordinary runs."""

from collections.abc import Collection
from pathlib import Path

from mmengine.config import Config

from ccmim_mm.config import read_config

from ..config_names import find_config
from .checks import SCHEDULED, check_keys, check_overrides, check_schedule
from .run import NO_PRETRAINING, Run, schedule
from .transfer import check_transfers, transfer_runs

#: What a method may have beside overrides: its own config, in place of the
#: data set's, and the method whose encoder it learns from.
OWN = ('config', 'teacher')


def load_grid(path: str | Path) -> Config:
    """Read a grid and refuse one that does not fit together.

    Args:
        path: A config with ``seeds``, ``datasets`` and ``methods``, and if
            wanted ``lengths``, ``finetuned``, ``options``, ``core`` and
            ``references``, as ``configs/study/grid_tiny.py`` has them, and
            ``transfers`` as ``configs/study/grid_transfer.py`` has.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If it imports what is not there.
        ValueError: If it is no Python, or something is missing in it or means
            nothing.
    """
    grid = read_config(find_config(str(path)))
    missing = {'seeds', 'datasets', 'methods'} - {*grid.keys()}
    if missing:
        raise ValueError(f'{path} lacks {", ".join(sorted(missing))}')
    for name, default in (('lengths', {}), ('finetuned', []), ('options', {})):
        grid.setdefault(name, default)
    grid.setdefault('core', [*grid.methods])
    grid.setdefault('references', grid.core[:1])
    _check_entries(grid, path)
    names = {*grid.methods, *grid.lengths}
    unknown = {v.method for v in grid.lengths.values()} - {*grid.methods}
    unknown |= {*_teachers(grid).values()} - {*grid.methods}
    unknown |= {*grid.finetuned} - names - {NO_PRETRAINING}
    unknown |= {*grid.core} - {*grid.methods}
    unknown |= {*grid.references} - names
    if unknown:
        raise ValueError(
            f'{path} names {sorted(unknown)}, which are no methods: it has '
            f'{sorted(names)}'
        )
    if {*grid.methods} & {*grid.lengths, NO_PRETRAINING}:
        raise ValueError(f'{path} gives two methods the same name')
    for name in grid.methods:
        if name in _all_teachers(grid, name):
            raise ValueError(f'{path}: {name} would be its own teacher')
    check_transfers(grid, path)
    return grid


def _check_entries(grid: Config, path: str | Path) -> None:
    """Refuse what lacks something, or could not be run.

    Raises:
        ValueError: Naming the entry.
    """
    check_overrides(f'{path}: options', grid.options)
    for name, own in grid.methods.items():
        check_overrides(f'{path}: methods.{name}', own)
    for name, other in grid.lengths.items():
        check_keys(f'{path}: lengths.{name}', other, ('method', 'length'))
    for name, spec in grid.datasets.items():
        entry = f'{path}: datasets.{name}'
        check_keys(entry, spec, SCHEDULED)
        check_schedule(entry, spec)
        for length, other in grid.lengths.items():
            where = f'{path}: lengths.{length} of datasets.{name}'
            check_schedule(where, spec, other.length)
        if tuning := spec.get('finetune'):
            check_keys(f'{entry}.finetune', tuning, SCHEDULED)
            check_schedule(f'{entry}.finetune', tuning)
            options = tuning.get('options', {})
            check_overrides(f'{entry}.finetune.options', options)


def _teachers(grid: Config) -> dict[str, str]:
    """Teacher by method, of those that have one."""
    return {k: v['teacher'] for k, v in grid.methods.items() if 'teacher' in v}


def _all_teachers(grid: Config, method: str) -> list[str]:
    """Its teacher, that one's, and so on, until one comes again."""
    teachers, found = _teachers(grid), []
    while (method := teachers.get(method, '')) and method not in found:
        found.append(method)
    return found


def expand(grid: Config) -> list[Run]:
    """All runs: seed by seed, pre-training before fine-tuning.

    A teacher is the run of its method at length 1, with the same data set
    and seed, and comes before its students.
    """
    lengths = {name: (name, 1.0) for name in grid.methods}
    lengths |= {k: (v.method, v.length) for k, v in grid.lengths.items()}
    ordered = sorted(
        lengths, key=lambda name: len(_all_teachers(grid, lengths[name][0]))
    )
    teachers = _teachers(grid)
    pretraining: list[Run] = []
    finetuning: list[Run] = []
    for seed in grid.seeds:
        for dataset, spec in grid.datasets.items():
            common = {**grid.options, 'randomness.seed': seed}
            runs: dict[str, Run] = {}
            for name in ordered:
                method, length = lengths[name]
                own = grid.methods[method]
                options = {
                    **{k: v for k, v in own.items() if k not in OWN},
                    **schedule(spec.epochs * length, spec.warmup * length),
                    **common,
                }
                config = own.get('config', spec.config)
                where = (dataset, name, seed, 'pretrain', config)
                runs[name] = Run(
                    *where, options, teacher=runs.get(teachers.get(method, ''))
                )
            pretraining += runs.values()
            tuning = spec.get('finetune')
            for name in grid.finetuned if tuning else ():
                options = {
                    **tuning.get('options', {}),
                    **schedule(tuning.epochs, tuning.warmup),
                    **common,
                }
                where = (dataset, name, seed, 'finetune', tuning.config)
                finetuning.append(Run(*where, options, runs.get(name)))
    return pretraining + finetuning + transfer_runs(grid, pretraining)


def select(
    runs: list[Run],
    datasets: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    stages: Collection[str] | None = None,
) -> list[Run]:
    """The runs asked for; None asks for all.

    Raises:
        ValueError: If a name is not in the grid, which it lists.
    """
    wanted = dict(dataset=datasets, method=methods, seed=seeds, stage=stages)
    for field, values in wanted.items():
        if values is None:
            continue
        known = dict.fromkeys(getattr(run, field) for run in runs)
        unknown = [value for value in values if value not in known]
        if unknown:
            raise ValueError(
                f'the grid has no {field} {", ".join(map(str, unknown))}, '
                f'but {", ".join(map(str, known))}'
            )
        runs = [run for run in runs if getattr(run, field) in values]
    return runs
