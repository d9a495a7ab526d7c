"""The bar at the bottom of a terminal."""

import sys
import time
from contextlib import suppress

import rich
from rich.progress import BarColumn, Progress, TextColumn

from .handler import SCREEN_IS_GONE
from .overheard import Overheard

#: Seconds between two drawings.
_INTERVAL = 0.2


class ProgressBar:
    """Draws how far a run is; on anything but a terminal it does nothing.

    Drawn by whoever trains and not by a thread, whose locks a loader's
    worker would inherit as they are.

    Args:
        total: Iterations in all.
        done: Iterations done.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        console = rich.get_console()
        self.is_drawn = console.file.isatty() and not console.is_dumb_terminal
        self.progress = Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(bar_width=20),
            TextColumn('{task.percentage:>3.0f}%  {task.fields[said]}'),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not self.is_drawn,
        )
        self.task = self.progress.add_task(
            'starting', total=total, completed=done, said=''
        )
        self.drawn = 0.0
        below = sys.stdout
        self.progress.start()
        if self.is_drawn and isinstance(below, Overheard):
            # rich prints above the bar what anyone prints.
            sys.stdout = Overheard(sys.stdout, below.note)  # type: ignore

    def show(
        self, place: str, done: int | None = None, said: str = ''
    ) -> None:
        """Draw it anew, unless that was done just now.

        Args:
            place: What is being done, before the bar.
            done: Iterations done; None leaves the count.
            said: After the bar.
        """
        if not self.is_drawn or time.monotonic() - self.drawn < _INTERVAL:
            return
        with suppress(*SCREEN_IS_GONE):
            self.progress.update(
                self.task, description=place, completed=done, said=said
            )
            self.progress.refresh()
        self.drawn = time.monotonic()

    def stop(self) -> None:
        """Take it off the screen."""
        with suppress(*SCREEN_IS_GONE):
            self.progress.stop()
