"""What libraries print past the log, taken into it."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .handler import LIBRARIES, speaker

#: Beside those that log what they have to say.
PRINTING = LIBRARIES | {'pycocotools'}


class Overheard:
    """A stream that hands on what a library prints, and prints the rest.

    Args:
        stream: To print to.
        note: Called with each line that is not printed.
    """

    def __init__(self, stream: TextIO, note: Callable[[str], None]) -> None:
        self.stream = stream
        self.note = note

    def write(self, text: str) -> int:
        """Print a text, or note it: by who prints."""
        if speaker() not in PRINTING:
            return self.stream.write(text)
        for line in filter(str.strip, text.splitlines()):
            self.note(line)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self.stream, name)


@contextmanager
def overhearing(note: Callable[[str], None]) -> Iterator[None]:
    """Note what libraries print, and their Python warnings, meanwhile.

    Args:
        note: Called with each line.
    """
    stream, show = sys.stdout, warnings.showwarning

    def showwarning(message, category, filename, *args, **kwargs) -> None:
        if LIBRARIES.isdisjoint(Path(filename).parts):
            show(message, category, filename, *args, **kwargs)
        else:
            note(f'{filename}: {category.__name__}: {message}')

    sys.stdout = Overheard(stream, note)  # type: ignore[assignment]
    warnings.showwarning = showwarning
    try:
        yield
    finally:
        sys.stdout, warnings.showwarning = stream, show
