"""What the stress scripts share."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
_NUMBERS = count()
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT)]


def row(what: str, tried: str, outcome: str, held: bool) -> dict:
    """One line of the table."""
    return dict(what=what, tried=tried, outcome=outcome, held=held)


def make_pictures(folder: Path, number: int = 24) -> Path:
    """Flat pictures of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(number):
        pixels = rng.integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f'{i:04d}.png')
    return folder


def make_class_folders(folder: Path) -> Path:
    """train/ and val/ with two classes of noise, 32 pictures to train on."""
    for split, number in (('train', 16), ('val', 6)):
        for name in ('a', 'b'):
            make_pictures(folder / split / name, number)
    return folder


def config_of(
    data: Path,
    work_dir: Path,
    options: dict,
    resume: str | None,
    evaluate: bool = False,
    pretrained: Path | None = None,
) -> Any:
    """The config of a run of the tests' tiny model."""
    from run_helpers import bare

    from ccmim_mm.apis import config_for_training

    cfg = config_for_training(
        ROOT / 'tests/tiny_config.py',
        options,
        data,
        work_dir,
        'pytorch' if 'RANK' in os.environ else 'none',
        resume=resume,
        pretrained=pretrained and str(pretrained),
    )
    # No name: a Runner's instances are global, by name.
    cfg.experiment_name = f'{work_dir}{os.getpid()}{next(_NUMBERS)}'
    return cfg if evaluate else bare(cfg)


def train(
    data: Path,
    work_dir: Path,
    options: dict,
    resume: str | None = 'auto',
    pretrained: Path | None = None,
) -> Any:
    """Train it, from the newest checkpoint if there is any."""
    from ccmim_mm.engine import ResilientRunner

    runner = ResilientRunner.from_cfg(
        config_of(data, work_dir, options, resume, pretrained=pretrained)
    )
    runner.train()
    return runner


def train_apart(
    data: Path,
    work_dir: Path,
    options: dict,
    name: str = '',
    resume: str | None = 'auto',
) -> multiprocessing.context.ForkProcess:
    """Start :func:`train` in a process of its own, with its log in a file."""
    work_dir.mkdir(parents=True, exist_ok=True)
    output = work_dir / f'output{name}.txt'
    return _fork(output, train, data, work_dir, options, resume)


def in_fork(output: Path, function: Callable, *args: Any) -> int:
    """Call a function in a process of its own; how that ended."""
    process = _fork(output, function, *args)
    process.join()
    return process.exitcode or 0


def _fork(
    output: Path, function: Callable, *args: Any
) -> multiprocessing.context.ForkProcess:
    process = multiprocessing.get_context('fork').Process(
        target=_quietly, args=(output, function, *args)
    )
    process.start()
    return process


def _quietly(output: Path, function: Callable, *args: Any) -> None:
    log = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    function(*args)
