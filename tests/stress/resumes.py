"""Resumes under other conditions: each goes on rightly, or is refused."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import config_of, make_pictures, row, train
from dist_helpers import run_ranks

EPOCH = dict(by_epoch=True, convert_to_iter_based=True)
#: 24 pictures, 8 a batch: three iterations an epoch.
EPOCHS = 4


def schedule(epochs: int) -> list[dict]:
    """A warm-up of an epoch, then a cosine to the end."""
    cosine = dict(type='CosineAnnealingLR', T_max=epochs - 1)
    return [
        dict(EPOCH, type='LinearLR', start_factor=0.1, begin=0, end=1),
        dict(EPOCH, **cosine, begin=1, end=epochs),
    ]


def options(epochs: int = EPOCHS, **more: Any) -> dict:
    """Of a run of so many epochs."""
    return {
        'train_cfg.max_epochs': epochs,
        'param_scheduler': schedule(epochs),
        **{name.replace('__', '.'): value for name, value in more.items()},
    }


class Change(NamedTuple):
    """What is other when a run resumes.

    Attributes:
        options: Overrides of the config.
        data: Changes the pictures.
        processes: How many.
        within: What it is refused with, within an epoch; None: goes on.
        at_end: Likewise, from an epoch's end.
    """

    options: dict
    data: Callable[[Path], Any] | None
    processes: int
    within: str | None
    at_end: str | None


def _one_more(data: Path) -> None:
    shutil.copy(data / '0000.png', data / '9999.png')


def _one_less(data: Path) -> None:
    (data / '0003.png').unlink()


def _renamed(data: Path) -> None:
    (data / '0003.png').rename(data / '9999.png')


BATCH = 'train_dataloader__batch_size'
LR = 'optim_wrapper__optimizer__lr'
STEP = 'optim_wrapper__accumulative_counts'
CHANGES = {
    'nothing': Change(options(), None, 1, None, None),
    'one picture more': Change(options(), _one_more, 1, 'pictures', None),
    'one picture less': Change(options(), _one_less, 1, 'within', None),
    'a picture renamed': Change(options(), _renamed, 1, 'digest', None),
    'half the batch': Change(
        options(**{BATCH: 4}), None, 1, 'within an epoch', None
    ),
    'twice the batch': Change(
        options(**{BATCH: 16}), None, 1, 'within an epoch', None
    ),
    'another batch, as many iterations': Change(
        options(**{BATCH: 7}), None, 1, 'batch size', None
    ),
    'two processes': Change(options(), None, 2, 'within an epoch', None),
    'two processes, half the batch': Change(
        options(**{BATCH: 4}), None, 2, 'batch size', None
    ),
    'another seed': Change(
        options(randomness__seed=5), None, 1, 'its own seed', 'its own seed'
    ),
    'another rate': Change(
        options(**{LR: 1e-5}), None, 1, 'its optimizer', 'its optimizer'
    ),
    'more epochs, stretched': Change(options(6), None, 1, None, None),
    'fewer epochs, stretched': Change(options(3), None, 1, None, None),
    'more epochs alone': Change(
        options() | {'train_cfg.max_epochs': 6},
        None, 1, 'stretches both', 'stretches both',
    ),
    'accumulation': Change(
        options(**{STEP: 3}), None, 1, 'batches a step', None
    ),
    'another loss weight': Change(
        options(model__align_head__loss_weight=0.3), None, 1, None, None
    ),
}  # fmt: skip


def _rank(rank: int, data: Path, work_dir: Path, change: str) -> Any:
    os.environ['LOCAL_WORLD_SIZE'] = '2'
    try:
        runner = train(data, work_dir, CHANGES[change].options, 'auto')
    except ValueError as error:
        return str(error)
    return runner.iter, len(runner.train_dataloader), None


def _resume(data: Path, work_dir: Path, change: Change, name: str) -> Any:
    """Iterations, length of an epoch, rates; or what it was refused with."""
    if change.processes > 1:
        return run_ranks(_rank, args=(data, work_dir, name))[0]
    try:
        runner = train(data, work_dir, change.options)
    except ValueError as error:
        return str(error)
    rates = runner.message_hub.get_scalar('train/lr').data[0]
    return runner.iter, len(runner.train_dataloader), rates


def check(folder: Path) -> dict:
    """Resume each from within an epoch and from an epoch's end."""
    from stopped_runs import Signal

    data = make_pictures(folder / 'pictures')
    for place, iteration in (('within', 6), ('at_end', 5)):
        try:
            _stopped(data, folder / place, Signal(iteration=iteration))
        except SystemExit:
            continue
    problems, refused, went_on = [], 0, 0
    for name, change in CHANGES.items():
        for place in ('within', 'at_end'):
            work_dir = folder / f'{name}_{place}'.replace(' ', '_')
            shutil.copytree(folder / place, work_dir)
            other = shutil.copytree(data, f'{work_dir}_pictures')
            if change.data:
                change.data(Path(other))
            found = _resume(Path(other), work_dir, change, name)
            expected = getattr(change, place)
            if isinstance(found, str):
                refused += 1
                if expected is None or expected not in found:
                    problems.append(f'{name}, {place}: refused with {found}')
                continue
            went_on += 1
            if expected is not None:
                problems.append(f'{name}, {place}: went on')
            elif said := _wrong(found, change, Path(other), place):
                problems.append(f'{name}, {place}: {said}')
    return row(
        'resumes under other conditions',
        f'{2 * len(CHANGES)}: {", ".join(CHANGES)}; each from within an '
        "epoch and from an epoch's end",
        f'{refused} refused by name, {went_on} went on, rates and iterations '
        'as of a run that had always been so'
        if not problems
        else '; '.join(problems),
        not problems,
    )


def _stopped(data: Path, work_dir: Path, hook: Any) -> None:
    from ccmim_mm.engine import ResilientRunner

    runner = ResilientRunner.from_cfg(
        config_of(data, work_dir, options(), None)
    )
    runner.register_hook(hook)
    runner.train()


def _wrong(found: Any, change: Change, data: Path, place: str) -> str:
    """What is not as a run of these options would have it."""
    iterations, length, rates = found
    epochs = change.options['train_cfg.max_epochs']
    if iterations != epochs * length:
        return f'{iterations} iterations of {epochs} x {length}'
    if rates is None:
        return ''
    work_dir = Path(f'{data}_straight')
    straight = train(data, work_dir, change.options, None)
    expected = straight.message_hub.get_scalar('train/lr').data[0]
    # Trained since: after seven iterations, or two epochs.
    new = iterations - 7 if place == 'within' else (epochs - 2) * length
    if not np.allclose(rates[-new:], expected[-new:]):
        return f'rates {rates[-new:]}, not {expected[-new:]}'
    return ''
