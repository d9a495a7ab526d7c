"""What the stress scripts share."""

import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT)]


def row(what: str, tried: str, outcome: str, held: bool) -> dict:
    """One line of the table."""
    return dict(what=what, tried=tried, outcome=outcome, held=held)


def make_pictures(folder: Path, count: int = 24) -> Path:
    """Flat pictures of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f'{i:04d}.png')
    return folder


def train(
    data: Path,
    work_dir: Path,
    options: dict,
    resume: str | None = 'auto',
    pretrained: Path | None = None,
) -> None:
    """Train the tests' tiny model, from the newest checkpoint if any."""
    from run_helpers import bare

    from ccmim_mm.apis import config_for_training
    from ccmim_mm.engine import ResilientRunner

    cfg = config_for_training(
        ROOT / 'tests/tiny_config.py',
        options,
        data,
        work_dir,
        resume=resume,
        pretrained=pretrained and str(pretrained),
    )
    # No name: a Runner's instances are global, by name.
    cfg.experiment_name = f'{work_dir}{os.getpid()}'
    ResilientRunner.from_cfg(bare(cfg)).train()


def train_apart(
    data: Path, work_dir: Path, options: dict
) -> multiprocessing.context.ForkProcess:
    """Start :func:`train` in a process of its own, with its log in a file."""
    process = multiprocessing.get_context('fork').Process(
        target=_quietly, args=(data, work_dir, options)
    )
    process.start()
    return process


def _quietly(data: Path, work_dir: Path, options: dict) -> None:
    work_dir.mkdir(parents=True, exist_ok=True)
    log = os.open(
        work_dir / 'output.txt', os.O_CREAT | os.O_WRONLY | os.O_APPEND
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    train(data, work_dir, options)
