"""What an entry of a study's grid has to say."""

from collections.abc import Iterable

from mmengine.config import ConfigDict

#: Of what is trained to a schedule.
SCHEDULED = ('config', 'epochs', 'warmup')


def check_keys(entry: str, spec: ConfigDict, keys: Iterable[str]) -> None:
    """Refuse an entry that lacks one of its keys.

    Args:
        entry: The grid and the place in it, for people.
        spec: What it says.
        keys: What it has to.

    Raises:
        ValueError: Naming what is missing.
    """
    if missing := {*keys} - {*spec}:
        raise ValueError(f'{entry} lacks {", ".join(sorted(missing))}')


def check_schedule(entry: str, spec: ConfigDict, length: float = 1.0) -> None:
    """Refuse a training of no epoch, or with no time after its warm-up.

    Args:
        entry: See :func:`check_keys`.
        spec: Its ``epochs`` and ``warmup``, in epochs.
        length: By what both are multiplied.

    Raises:
        ValueError: If it is one.
    """
    epochs, warmup = spec.epochs * length, spec.warmup * length
    if round(epochs) < 1:
        raise ValueError(
            f'{entry}: {epochs:g} epochs come to none: give 1 or more'
        )
    if not 0 <= warmup < round(epochs):
        raise ValueError(
            f'{entry}: a warm-up of {warmup:g} of {round(epochs)} epochs: '
            'give a shorter one, or 0'
        )


def check_overrides(entry: str, options: ConfigDict) -> None:
    """Refuse overrides that a run cannot be given.

    Args:
        entry: See :func:`check_keys`.
        options: Overrides, by dotted keys.

    Raises:
        ValueError: Naming the override.
    """
    for key, value in options.items():
        if isinstance(value, dict):
            raise ValueError(
                f'{entry}: {key} is a dict, which a command line cannot '
                f'say: write {key}.KEY=VALUE for each of its keys'
            )
