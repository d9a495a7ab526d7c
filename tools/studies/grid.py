"""A grid of method x data set x seed, as ordinary runs."""

import functools
import hashlib
import json
import math
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

#: The "method" that is fine-tuned from random weights.
NO_PRETRAINING = 'no_pretraining'


@dataclass(frozen=True)
class Run:
    """One run of ``tools/train.py``.

    Attributes:
        dataset: Name of the data set.
        method: Name of the method.
        seed: Its seed.
        stage: ``'pretrain'`` or ``'finetune'``.
        config: Path of the config.
        options: Overrides of the config, by dotted keys.
        pretraining: The run that a fine-tuning starts from, if any.
    """

    dataset: str
    method: str
    seed: int
    stage: str
    config: str
    options: dict[str, Any]
    pretraining: 'Run | None' = None

    @property
    def name(self) -> str:
        """For people to read."""
        return f'{self.stage} {self.dataset} {self.method} seed {self.seed}'

    @property
    def record(self) -> dict[str, Any]:
        """What determines the run's outcome, for JSON.

        Raises:
            FileNotFoundError: If there is no such config.
        """
        before = self.pretraining.record if self.pretraining else None
        return dict(
            config=self.config,
            content=config_digest(self.config),
            options=self.options,
            pretraining=before,
        )

    def work_dir(self, root: Path) -> Path:
        """Where the run's files lie."""
        seed = f'seed_{self.seed}'
        return root / self.stage / self.dataset / self.method / seed

    def command(self, root: Path, data_root: Path) -> list[str]:
        """The command line, which resumes where there is something."""
        command = [
            *(sys.executable, 'tools/train.py', self.config),
            *('--data', str(data_root / self.dataset)),
            *('--work-dir', str(self.work_dir(root)), '--resume'),
        ]
        if self.pretraining is not None:
            epochs = self.pretraining.options['train_cfg.max_epochs']
            folder = self.pretraining.work_dir(root)
            command += ['--pretrained', str(folder / f'epoch_{epochs}.pth')]
        options = [f'{key}={value}' for key, value in self.options.items()]
        return [*command, '--cfg-options', *options]


@functools.cache
def config_digest(path: str) -> str:
    """SHA-256 of what a config and those it is based on come to.

    Read once; ``cache_clear()`` reads anew.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'no {path}: start the study from the root of a clone'
        )
    content = Config.fromfile(path).to_dict()
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def schedule(epochs: float, warmup: float) -> dict[str, Any]:
    """Overrides that bring a config's schedule to another length.

    The cosine runs to the end, and the run is evaluated before the start,
    half-way and at the end.

    Args:
        epochs: Epochs, rounded to a whole number.
        warmup: Of them the warm-up, not rounded.
    """
    epochs = round(epochs)
    half = math.ceil(epochs / 2)
    return {
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': half,
        'default_hooks.checkpoint.interval': half,
        'param_scheduler.0.end': warmup,
        'param_scheduler.1.begin': warmup,
        'param_scheduler.1.end': epochs,
        'param_scheduler.1.T_max': epochs - warmup,
    }


def load_grid(path: str | Path) -> Config:
    """Read a grid and refuse one that does not fit together.

    Args:
        path: A config with ``seeds``, ``datasets`` and ``methods``, and if
            wanted ``lengths``, ``finetuned``, ``options``, ``core`` and
            ``references``, as ``configs/study/grid_tiny.py`` has them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If something is missing in it or means nothing.
    """
    grid = Config.fromfile(path)
    missing = {'seeds', 'datasets', 'methods'} - {*grid.keys()}
    if missing:
        raise ValueError(f'{path} lacks {", ".join(sorted(missing))}')
    for name, default in (('lengths', {}), ('finetuned', []), ('options', {})):
        grid.setdefault(name, default)
    grid.setdefault('core', [*grid.methods])
    grid.setdefault('references', grid.core[:1])
    names = {*grid.methods, *grid.lengths}
    unknown = {v.method for v in grid.lengths.values()} - {*grid.methods}
    unknown |= {*grid.finetuned} - names - {NO_PRETRAINING}
    unknown |= {*grid.core, *grid.references} - {*grid.methods}
    if unknown:
        raise ValueError(
            f'{path} names {sorted(unknown)}, which are no methods: it has '
            f'{sorted(names)}'
        )
    if {*grid.methods} & {*grid.lengths, NO_PRETRAINING}:
        raise ValueError(f'{path} gives two methods the same name')
    for options in (grid.options, *grid.methods.values()):
        for key, value in options.items():
            if isinstance(value, dict):
                raise ValueError(
                    f'{path}: {key} is a dict, which a command line cannot '
                    f'say: write {key}.KEY=VALUE for each of its keys'
                )
    return grid


def expand(grid: Config) -> list[Run]:
    """All runs: seed by seed, pre-training before fine-tuning."""
    lengths = {name: (name, 1.0) for name in grid.methods}
    lengths |= {k: (v.method, v.length) for k, v in grid.lengths.items()}
    pretraining: list[Run] = []
    finetuning: list[Run] = []
    for seed in grid.seeds:
        for dataset, spec in grid.datasets.items():
            common = {**grid.options, 'randomness.seed': seed}
            runs = {}
            for name, (method, length) in lengths.items():
                options = {
                    **grid.methods[method],
                    **schedule(spec.epochs * length, spec.warmup * length),
                    **common,
                }
                where = (dataset, name, seed, 'pretrain', spec.config)
                runs[name] = Run(*where, options)
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
    return pretraining + finetuning


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
