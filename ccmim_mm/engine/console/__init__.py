"""What a person sees of a run; the log's file has all of it."""

from .failure import report
from .handler import FILE_ONLY, VERBOSE, is_verbose, quieten, say
from .overheard import Overheard, overhearing
from .progress_bar import ProgressBar

__all__ = [
    'FILE_ONLY',
    'VERBOSE',
    'Overheard',
    'ProgressBar',
    'is_verbose',
    'overhearing',
    'quieten',
    'report',
    'say',
]
