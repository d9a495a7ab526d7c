"""How long a config trains, and how long its schedule is."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.config import Config

from ...config_parts import kind_of_part

#: What of a scheduler's config counts epochs or iterations.
_LENGTHS = ('begin', 'end', 'T_max')
_STEPS = ('step_size', 'total_steps', 'milestones', 'periods')
#: That end at the rate itself, which is then kept.
_WARM_UPS = ('LinearLR', 'ConstantLR', 'QuadraticWarmupLR')


class Length(NamedTuple):
    """Length of a training and of its schedule.

    Attributes:
        unit: ``epochs`` or ``iters``, what the training counts.
        training: How many of them.
        schedule: Where the last scheduler ends, in that unit; None if none
            ends, or if the last one counts the other unit.
    """

    unit: str
    training: int
    schedule: float | None


def schedule_length(cfg: Config) -> Length | None:
    """Compare the length of a training with that of its schedule.

    Warm-ups are no schedule: what they end at may be kept.

    Args:
        cfg: The config; ``train_cfg`` and ``param_scheduler`` are read.

    Returns:
        Both lengths; None if the config does not train.
    """
    loop = cfg.get('train_cfg') or {}
    by_epoch = loop.get('max_epochs') is not None
    training = loop.get('max_epochs') if by_epoch else loop.get('max_iters')
    if training is None:
        return None
    schedulers = [
        scheduler
        for scheduler in _schedulers(cfg.get('param_scheduler'))
        if not _is_warm_up(scheduler)
    ]
    schedule = max((s.get('end') or 0 for s in schedulers), default=0)
    known = all(
        s.get('end') and s.get('by_epoch', True) == by_epoch
        for s in schedulers
    )
    unit = 'epochs' if by_epoch else 'iters'
    return Length(unit, training, schedule if known and schedule else None)


def schedule_problem(cfg: Config) -> str | None:
    """One line for people if the schedule does not fit, else None."""
    length = schedule_length(cfg)
    if length is None:
        return None
    if length.unit == 'iters':
        for scheduler in _schedulers(cfg.get('param_scheduler')):
            if _never_steps(scheduler):
                return (
                    f'{scheduler["type"]} of param_scheduler counts epochs, '
                    'the training iterations: it never moves the learning '
                    'rate: set its by_epoch=False, and its lengths in '
                    'iterations'
                )
    if length.schedule in (None, length.training):
        return None
    unit, training, schedule = length
    return (
        f'The schedule of the learning rate ends after {schedule:g} {unit}, '
        f'the training after {training}: --{unit} N sets both'
    )


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
    if type(number) is not int or number < 1:
        raise ValueError(f'--{asked} is {number!r}: give 1 or more')
    cfg.train_cfg[f'max_{asked}'] = number
    for scheduler in _schedulers(cfg.get('param_scheduler')):
        _scale(scheduler, number / (length.schedule or length.training))


def _schedulers(part: Any) -> Iterator[dict]:
    """Every scheduler of one optimizer or several."""
    if isinstance(part, list | tuple):
        for item in part:
            yield from _schedulers(item)
    elif isinstance(part, dict):
        if 'type' in part:
            yield part
        else:
            yield from _schedulers(list(part.values()))


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


def without_short_warm_ups(
    schedulers: Any, epoch_length: int
) -> tuple[Any, list[str]]:
    """Leave out warm-ups that are too short to end.

    mmengine's warm-up of n steps brings the rate up in the last of them, so
    that with one it stays at its beginning for ever.

    Args:
        schedulers: Their configs, of one optimizer or several.
        epoch_length: Iterations of an epoch.

    Returns:
        What is left, and what is not, for people.
    """
    if isinstance(schedulers, dict) and 'type' not in schedulers:
        parts = {
            name: without_short_warm_ups(part, epoch_length)
            for name, part in schedulers.items()
        }
        left = {name: part for name, (part, _) in parts.items()}
        return left, [line for _, lines in parts.values() for line in lines]
    many = isinstance(schedulers, list | tuple)
    kept, lines = [], []
    for scheduler in schedulers if many else [schedulers]:
        if isinstance(scheduler, dict) and _is_short(scheduler, epoch_length):
            lines.append(
                f'No warm-up: {scheduler["type"]} from '
                f'{scheduler.get("begin", 0)} to {scheduler["end"]} is '
                'shorter than two steps'
            )
        else:
            kept.append(scheduler)
    return kept, lines


def _is_short(scheduler: dict, epoch_length: int) -> bool:
    end = scheduler.get('end')
    if end is None or not _is_warm_up(scheduler):
        return False
    per = epoch_length if scheduler.get('convert_to_iter_based') else 1
    return int(end * per) - int(scheduler.get('begin', 0) * per) < 2


def _never_steps(scheduler: dict) -> bool:
    """Whether mmengine's loop of iterations leaves it where it begins."""
    by_epoch = scheduler.get('by_epoch', True)
    return by_epoch and not scheduler.get('convert_to_iter_based', False)


def _is_warm_up(scheduler: dict) -> bool:
    return kind_of_part(scheduler) in _WARM_UPS
