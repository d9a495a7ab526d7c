"""Random runs, stopped at random places and resumed: the same to the bit."""

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from run_helpers import bare, config, history
from stopped_runs import same

from ccmim_mm.engine import ResilientRunner

#: In the folder of the tests; each case is drawn from its number alone.
PICTURES = 24
NEVER = (-1, False)


class BrokenOffError(Exception):
    """What ends a run without its having saved, as SIGKILL does."""


class Stop(Hook):
    """Ask the run to stop, or end it, before an iteration."""

    priority = 'VERY_HIGH'

    def __init__(self, iteration: int, killed: bool) -> None:
        self.iteration, self.killed = iteration, killed

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            if self.killed:
                raise BrokenOffError
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class Case:
    """A run, and where it is stopped."""

    number: int
    batch_size: int
    accumulation: int
    epochs: int
    workers: int
    saved_every: int
    drop_path: float
    stops: tuple[tuple[int, bool], ...]

    @property
    def options(self) -> dict:
        """Of the config."""
        options = {
            'train_dataloader.batch_size': self.batch_size,
            'train_dataloader.num_workers': self.workers,
            # In one process, those of many runs would pile up.
            'train_dataloader.persistent_workers': False,
            'optim_wrapper.accumulative_counts': self.accumulation,
            'model.backbone.drop_path_rate': self.drop_path,
            'randomness.seed': self.number,
        }
        if self.saved_every:
            options |= {
                'default_hooks.checkpoint.by_epoch': False,
                'default_hooks.checkpoint.interval': self.saved_every
                * self.accumulation,
            }
        return options


def draw(number: int) -> Case:
    """A case."""
    rng = random.Random(number)
    batch_size, accumulation = rng.randint(2, 8), rng.randint(1, 3)
    epochs = rng.randint(1, 3)
    step = batch_size * accumulation
    iterations = PICTURES // step * accumulation * epochs
    places = rng.sample(range(iterations), min(rng.randint(1, 3), iterations))
    return Case(
        number=number,
        batch_size=batch_size,
        accumulation=accumulation,
        epochs=epochs,
        workers=rng.choice((0, 0, 1, 2)),
        saved_every=rng.choice((0, 0, 1, 2)),
        drop_path=rng.choice((0.0, 0.3)),
        stops=tuple((place, rng.random() < 0.3) for place in sorted(places)),
    )


def train(case: Case, data: Path, work_dir: Path, name: str, *hooks: Hook):
    """Train from the newest checkpoint, if there is any."""
    cfg = bare(
        config(data, work_dir, case.epochs, case.options, resume='auto')
    )
    cfg.experiment_name = f'cases{work_dir}{name}'
    runner = ResilientRunner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    try:
        runner.train()
    except (SystemExit, BrokenOffError):
        return None
    return runner


def difference(case: Case, data: Path, folder: Path) -> str:
    """What is not the same after the stops; empty if nothing is."""
    straight = train(case, data, folder / 'straight', '')
    resumed = None
    for number, stop in enumerate((*case.stops, NEVER)):
        # A stop may have gone past the next one, to the end of its step.
        resumed = train(case, data, folder / 'run', f'{number}', Stop(*stop))
        if resumed is not None:
            break
    if resumed.iter != straight.iter:
        return f'{resumed.iter} iterations, not {straight.iter}'
    for what, state in (
        ('weights', lambda r: r.model.state_dict()),
        ('optimizer', lambda r: r.optim_wrapper.state_dict()),
    ):
        if not same(state(resumed), state(straight)):
            return what
    for name in ('loss', 'loss_rec', 'loss_align', 'lr'):
        if not np.array_equal(history(resumed, name), history(straight, name)):
            return name
    left = sorted(path.name for path in (folder / 'run').glob('preempted*'))
    return f'left {left}' if left else ''
