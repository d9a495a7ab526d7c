"""A config that trains for another length, its schedule with it."""

import math

from mmengine.config import Config

from ..engine.runner.schedule_length import schedule_length, schedulers_of
from .checks import check_whole

#: What of a scheduler's config counts epochs or iterations.
_LENGTHS = ('begin', 'end', 'T_max')
_STEPS = ('step_size', 'total_steps', 'milestones', 'periods')


def scale_schedule(
    cfg: Config, epochs: int | None = None, iters: int | None = None
) -> None:
    """Train for another length, with the same schedule scaled to it.

    Every length of every scheduler, warm-up included, becomes the same share
    of the schedule as before, and the schedule ends with the training, which
    it need not have done before; those that count iterations in a training of
    epochs likewise. Intervals of evaluations, checkpoints and logs stay: the
    last epoch or iteration is evaluated and saved whatever they are.

    Args:
        cfg: The config, changed in place.
        epochs: How many, for a config that counts them.
        iters: Likewise.

    Raises:
        ValueError: If both or nothing positive is given, or the config
            counts the other.
    """
    if (epochs is None) == (iters is None):
        raise ValueError('give --epochs or --iters, and not both')
    asked, number = ('epochs', epochs) if iters is None else ('iters', iters)
    length = schedule_length(cfg)
    if length is None:
        raise ValueError(f'--{asked}: the config has no length of training')
    if length.unit != asked:
        raise ValueError(
            f'--{asked}: the config trains for {length.training} '
            f'{length.unit}: give --{length.unit} N'
        )
    number = check_whole(asked, number)
    cfg.train_cfg[f'max_{asked}'] = number
    for scheduler in schedulers_of(cfg.get('param_scheduler')):
        _scale(scheduler, number / (length.schedule or length.training))


def _scale(scheduler: dict, ratio: float) -> None:
    """Scale what counts epochs or iterations.

    mmengine takes parts of epochs where it turns them into iterations, steps
    excepted; so those are rounded, to a place within the training.
    """
    stepwise = [key for key in _STEPS if scheduler.get(key) is not None]
    lengths = [key for key in _LENGTHS if scheduler.get(key) is not None]
    new = {key: round(scheduler[key] * ratio, 6) for key in lengths}
    by_epoch = scheduler.get('by_epoch', True)
    if by_epoch and not stepwise and any(v != int(v) for v in new.values()):
        scheduler['convert_to_iter_based'] = True
    if stepwise or not by_epoch:
        new = {key: round(value) for key, value in new.items()}
    if 'T_max' in new and scheduler['T_max'] == _span(scheduler):
        new['T_max'] = _span(new)
    for key, value in new.items():
        scheduler[key] = int(value) if value == int(value) else value
    last = max(scheduler.get('end', math.inf) - 1, 1)

    def step(value: int, latest: float = math.inf) -> int:
        return int(min(max(round(value * ratio), 1), latest))

    for key in stepwise:
        value = scheduler[key]
        if key == 'milestones':
            scheduler[key] = [step(v, last) for v in value]
        else:
            many = isinstance(value, list | tuple)
            scheduler[key] = [*map(step, value)] if many else step(value)


def _span(scheduler: dict) -> float:
    return round(scheduler.get('end', 0) - scheduler.get('begin', 0), 6)
