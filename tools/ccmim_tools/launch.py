"""torchrun, which says plainly when the ranks have left because asked to.

Takes torchrun's arguments. It exits with 75, and no traceback, if all ranks
of a training did, or if its launcher itself was signalled; then the file
``preempted`` in the work dir says so. In all other cases as torchrun does.
Ranks that would be restarted leave with 0 and that file
(``ccmim_mm.torchrun.stops_in_peace``).
"""

import fcntl
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from .run_files import run_files
from .start_up import EXIT_CODE, leave_when_asked, mark, work_dir_of


def launch() -> None:
    """Run torchrun."""
    tool = next(i for i, a in enumerate(sys.argv) if a.endswith('.py') and i)
    arguments = sys.argv[tool + 1 :]
    trains = sys.argv[tool].endswith('train.py')
    work_dir = work_dir_of(arguments) if trains else None
    _forget_earlier(work_dir)
    if trains:
        seen = '' if work_dir is None else str(work_dir.resolve())
        os.environ['CCMIM_LAUNCHED'] = seen
        # torchrun's own handlers take their place, but for SIGUSR1.
        leave_when_asked(arguments)
    # Here, as it takes seconds.
    from torch.distributed.elastic.multiprocessing import api, errors
    from torch.distributed.run import main

    # Of a training it is for the ranks.
    ignored = signal.SIG_IGN if trains else signal.SIG_DFL
    signal.signal(signal.SIGUSR1, ignored)
    try:
        main()
    except errors.ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        if codes != {EXIT_CODE} or not trains:
            raise
        reason = 'all ranks were asked to stop'
    except api.SignalException as error:
        if not trains:
            raise
        reason = str(error)
    else:
        if not work_dir or not (work_dir / run_files.MARKER).is_file():
            return
        reason = 'all ranks were asked to stop'
    if work_dir is not None:
        if not (work_dir / run_files.MARKER).is_file():
            mark(work_dir, f'{reason}, before the first iteration')
        said = (work_dir / run_files.MARKER).read_text().strip()
        print(f'{work_dir}: {said}', file=sys.stderr)
    print(f'{reason}: exiting with {EXIT_CODE}', file=sys.stderr)
    raise SystemExit(EXIT_CODE)


def _forget_earlier(work_dir: Path | None) -> None:
    """Remove an earlier stop's marker, which would be taken for this one's.

    Ranks that end before they train leave it there.
    """
    if work_dir is not None and not _in_use(work_dir):
        with suppress(OSError):
            (work_dir / run_files.MARKER).unlink()


def _in_use(work_dir: Path) -> bool:
    """Whether another run trains there, whose launcher looks for it."""
    try:
        with (work_dir / run_files.LOCK).open('r+') as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        # No file, or no locks.
        return False
    return False


if __name__ == '__main__':
    launch()
