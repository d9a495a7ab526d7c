"""Signals to a tool that does not train yet: imports, data, other ranks."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from .config_names import find_config
from .run_files import run_files

#: What ``PreemptionHook`` takes over when the training begins.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
#: What torchrun itself sends to the ranks beside one that failed.
OF_TORCHRUN = signal.SIGTERM
#: EX_TEMPFAIL, as the training's own.
EXIT_CODE = 75
_LEAVING = threading.Lock()


def leave_when_asked(
    arguments: list[str], signals: tuple[signal.Signals, ...] = SIGNALS
) -> None:
    """From now on a signal ends the process at once, marked as a stop.

    Nothing is trained that could be lost. The file ``preempted`` in the work
    dir says that the run is to be started again, but not by torchrun: what
    that has restarted nevertheless ends here.

    Args:
        arguments: Of the tool, from which the work dir is taken.
        signals: Which.
    """
    work_dir = work_dir_of(arguments)
    again = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
    if work_dir and (work_dir / run_files.MARKER).is_file():
        # torchrun has restarted what was to stop. Its count knows nothing of
        # a restart for another machine's sake; but the launcher forgets a
        # marker of earlier.
        if stops_in_peace(work_dir):
            os._exit(0)
        if again:
            os._exit(EXIT_CODE)
    leave = partial(_leave, work_dir)
    for number in signals:
        signal.signal(number, leave)
    # Python's handlers wait for the main thread, which may wait for other
    # ranks; this end of a pipe is written to at once.
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(
        target=_watch, args=(reader, writer, leave), daemon=True
    )
    watch.start()


def ignore_signals() -> None:
    """The training is over: a signal more does not change how it ended."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def stops_in_peace(work_dir: Path) -> bool:
    """As ``ccmim_mm.torchrun`` has it, which takes long to import."""
    restarts = int(os.environ.get('TORCHELASTIC_MAX_RESTARTS', 0))
    seen = os.environ.get('CCMIM_LAUNCHED')
    return bool(restarts and seen) and Path(seen or '') == work_dir.resolve()


def work_dir_of(arguments: list[str]) -> Path | None:
    """The work dir that a command line means, before it can be parsed."""
    # The last one counts, as for argparse.
    for i, argument in reversed([*enumerate(arguments)]):
        name, equals, value = argument.partition('=')
        if name == '--work-dir':
            value = value if equals else ''.join(arguments[i + 1 : i + 2])
            return Path(os.path.expanduser(value)) if value else None
    config = _config_of(arguments)
    if config is not None and config.is_dir():
        if run_files.is_of_a_run(config):
            # It goes on there.
            return config
        config = next(config.glob('*.py'))
    return config and Path('work_dirs', config.stem)


def _config_of(arguments: list[str]) -> Path | None:
    """The config, or the work dir that stands for it, of a command line."""
    found = []
    for before, argument in zip(['', *arguments], arguments, strict=False):
        if argument.startswith('-') or (
            '=' in argument and not argument.endswith('.py')
        ):
            continue
        try:
            path = Path(find_config(argument))
        except (OSError, ImportError):
            # One that has gone since the start, or no config.
            path = Path(argument)
        is_dir, missing = os.path.isdir(path), not os.path.exists(path)
        # What options name are files and folders, too.
        if path.suffix == '.py' or (is_dir and any(path.glob('*.py'))):
            behind = before.startswith('-') and '=' not in before
            found.append((missing, behind, is_dir, path))
    # What is behind an option may be its own: a teacher's folder has Python.
    return min(found, key=lambda place: place[:3])[3] if found else None


def _watch(
    reader: socket.socket, writer: socket.socket, leave: Callable
) -> NoReturn:
    """Leave on a signal that still is the tool's; keeps both ends open."""
    while True:
        (number,) = reader.recv(1)
        if signal.getsignal(number) is leave:
            leave(number, None)


def _leave(work_dir: Path | None, number: int, frame: object) -> None:
    if not _LEAVING.acquire(blocking=False):
        # The other thread is about to, or another signal's turn.
        return
    name = signal.Signals(number).name
    try:
        # The launcher says whether a SIGTERM was meant for all.
        alone = 'TORCHELASTIC_RUN_ID' not in os.environ
        if work_dir is not None and (alone or number != OF_TORCHRUN):
            mark(work_dir, f'{name} before the first iteration')
        print(
            f'{name} before the first iteration: exiting with {EXIT_CODE}; '
            'the same command starts again',
            file=sys.stderr,
            flush=True,
        )
    finally:
        # Nothing on the way may catch it, or wait for other ranks.
        os._exit(EXIT_CODE)


def mark(work_dir: Path, text: str) -> None:
    """Say in a work dir that a run was asked to stop."""
    work_dir.mkdir(parents=True, exist_ok=True)
    (work_dir / run_files.MARKER).write_text(f'{text}\n')
