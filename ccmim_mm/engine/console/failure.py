"""How a run that failed says so: in a line, with what to do."""

import logging
import re
import sys
from collections.abc import Callable
from types import TracebackType

from mmengine.logging import MMLogger

from .handler import FILE_ONLY

#: What a library says of a mistake that has a remedy -> the remedy.
REMEDIES = (
    (
        'Expected more than 1 value per channel',
        'BatchNorm cannot learn from one picture a process: set '
        'train_dataloader.batch_size to 2 or more',
    ),
    (
        'out of memory',
        'set train_dataloader.batch_size lower and optim_wrapper.'
        'accumulative_counts higher by as much, or model.backbone.with_cp='
        'True',
    ),
    (
        r'killed by signal: (Killed|Bus error)|shared memory',
        'the loaders are out of memory: set train_dataloader.num_workers '
        'lower, or give the machine (the container) more, /dev/shm too',
    ),
)
#: Errors that this project raises in whole sentences.
_SENTENCES = (ValueError, OSError, ImportError, FloatingPointError)
_TOLD = 'told_by_ccmim_mm'


def explain(error: BaseException) -> str:
    """An error in one line, with its remedy where one is known."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    # Of a loader's worker the last line is the error.
    said = lines[-1 if lines[0].startswith('Caught ') else 0] if lines else ''
    for pattern, remedy in REMEDIES:
        if re.search(pattern, str(error)):
            return f'{said.rstrip(".")}: {remedy}'
    if len(lines) == 1 and isinstance(error, _SENTENCES):
        return said
    return f'{type(error).__name__}: {said}'.rstrip(': ')


def report(error: Exception, logger: MMLogger | None) -> None:
    """Write the traceback into the log; if it ends the process, one line.

    Whoever catches the error gets it as it is.

    Args:
        error: That a run ends with.
        logger: The run's; None before there is one, which leaves errors
            that are no sentence of this project's to Python.
    """
    if _TOLD in vars(error):
        return
    line = f'error: {explain(error)}'
    if logger is not None:
        files = [
            handler.baseFilename
            for handler in logger.handlers
            if isinstance(handler, logging.FileHandler)
        ]
        # Where there is no file, as of other ranks, it is shown.
        logger.error(
            'The run ends with this',
            exc_info=error,
            extra=FILE_ONLY if files else None,
        )
        line += f' (traceback in {files[0]})' if files else ''
    elif not isinstance(error, _SENTENCES):
        return
    vars(error)[_TOLD] = line
    if not isinstance(sys.excepthook, _InALine):
        sys.excepthook = _InALine(sys.excepthook)


class _InALine:
    """What Python calls with an error that nobody catches.

    Args:
        others: What it called before, for errors that are no run's.
    """

    def __init__(self, others: Callable) -> None:
        self.others = others

    def __call__(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        line = vars(error).get(_TOLD)
        if line is None:
            self.others(kind, error, trace)
        else:
            print(line, file=sys.stderr)
