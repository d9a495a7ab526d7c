"""Signals to a tool that does not train yet: imports, data, other ranks."""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

#: What ``PreemptionHook`` takes over when the training begins.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
#: EX_TEMPFAIL, as the training's own.
EXIT_CODE = 75


def leave_when_asked() -> None:
    """From now on a signal ends the process at once, marked as a stop.

    Nothing is trained that could be lost. The file ``preempted`` in the work
    dir says that the run is to be started again.
    """
    for number in SIGNALS:
        signal.signal(number, _leave)


def ignore_signals() -> None:
    """The training is over: a signal more does not change how it ended."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def work_dir_of(arguments: list[str]) -> Path | None:
    """The work dir that a command line means, before it can be parsed."""
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition('=')
        if name == '--work-dir':
            value = value if equals else ''.join(arguments[i + 1 : i + 2])
            return Path(value) if value else None
    configs = (a for a in arguments if a.endswith('.py'))
    config = next(configs, None)
    return Path('work_dirs', Path(config).stem) if config else None


def _leave(number: int, frame: object) -> NoReturn:
    name = signal.Signals(number).name
    work_dir = work_dir_of(sys.argv[1:])
    try:
        if work_dir is not None:
            work_dir.mkdir(parents=True, exist_ok=True)
            marker = work_dir / 'preempted'
            marker.write_text(f'{name} before the first iteration\n')
        print(
            f'{name} before the first iteration: exiting with {EXIT_CODE}; '
            'the same command starts again',
            file=sys.stderr,
            flush=True,
        )
    finally:
        # Nothing on the way may catch it, or wait for other ranks.
        os._exit(EXIT_CODE)
