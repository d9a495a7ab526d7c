"""What of a run's log is shown."""

import logging
import os
import sys
from contextlib import suppress
from types import FrameType

import rich
from mmengine.logging import MMLogger
from mmengine.logging.logger import FilterDuplicateWarning
from rich.text import Text

#: Environment variable; set and not 0 it asks for mmengine's own console.
VERBOSE = 'CCMIM_VERBOSE'
#: ``extra`` of a record that is for the log's file alone.
FILE_ONLY = dict(file_only=True)
#: What these say of themselves is for the file; warnings are shown.
LIBRARIES = {'mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg'}
#: Of warnings that tell nobody what to do, or of what is meant to be so.
NOISE = (
    *('"FileClient" will be deprecated', '"HardDiskBackend" is the alias'),
    'is skipped since its requires_grad=False',
    'The prefix is not set in metric class',
)
#: What rich raises then, which is no reason to end a run.
SCREEN_IS_GONE = (OSError, SystemExit)
_BETWEEN = ('logging', 'mmengine.logging')
_STYLES = {logging.WARNING: 'yellow', logging.ERROR: 'red'}


def is_verbose() -> bool:
    """Whether mmengine's own console is asked for."""
    return os.environ.get(VERBOSE, '0') not in ('', '0')


def say(text: str, style: str = '') -> None:
    """Print a line, above the progress bar if there is one.

    In colour on a terminal, unless ``NO_COLOR`` is set; never wrapped.
    """
    console = rich.get_console()
    code = console.encoding
    text = text.encode(code, 'backslashreplace').decode(code)
    with suppress(*SCREEN_IS_GONE):
        console.print(Text(text, style), soft_wrap=True)


def quieten(logger: MMLogger) -> None:
    """Have a logger print what matters alone; its file stays as it is."""
    logger.handlers = [
        # Exactly: the file's handler is one, too.
        ConsoleHandler(handler.level)
        if type(handler) is logging.StreamHandler
        else handler
        for handler in logger.handlers
    ]


class ConsoleHandler(logging.Handler):
    """Prints warnings, errors, and what no library but this says.

    That is this project's own lines and those of a user's parts, without
    times and levels.

    Args:
        level: Lowest that is printed.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.addFilter(_matters)
        self.addFilter(FilterDuplicateWarning())

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, without a traceback that it may bring."""
        try:
            text = record.getMessage()
            if record.levelno >= logging.WARNING:
                text = f'{record.levelname.lower()}: {text}'
            say(text, _STYLES.get(record.levelno, ''))
        except Exception:
            self.handleError(record)


def _matters(record: logging.LogRecord) -> bool:
    if vars(record).get('file_only'):
        return False
    if record.levelno >= logging.WARNING:
        text = record.getMessage()
        return not any(noise in text for noise in NOISE)
    return speaker() not in LIBRARIES


def speaker() -> str:
    """The package that logs or prints now.

    A record names mmengine's ``print_log`` in place of who called it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get('__name__', '')
        if not module.startswith((__package__, *_BETWEEN)):
            return module.partition('.')[0]
        frame = frame.f_back
    return ''
