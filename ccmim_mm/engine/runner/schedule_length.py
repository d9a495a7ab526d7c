"""How long a config trains, and how long its schedule is."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.config import Config

from ...config_parts import kind_of_part

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
        for scheduler in schedulers_of(cfg.get('param_scheduler'))
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
        for scheduler in schedulers_of(cfg.get('param_scheduler')):
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


def schedulers_of(part: Any) -> Iterator[dict]:
    """Every scheduler of one optimizer or several."""
    if isinstance(part, list | tuple):
        for item in part:
            yield from schedulers_of(item)
    elif isinstance(part, dict):
        if 'type' in part:
            yield part
        else:
            yield from schedulers_of(list(part.values()))


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
