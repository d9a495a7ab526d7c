"""What a run notes of itself, on a disk that may be full."""

import copy
import functools
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log
from mmengine.registry import VISBACKENDS
from mmengine.visualization import LocalVisBackend

from ..config_parts import kind_of_part
from ..files import printable


@contextmanager
def enduring(path: str | Path) -> Iterator[None]:
    """Go on where a file cannot be written, a full disk for one.

    The log says so once; what comes when there is room again is written.

    Args:
        path: The file.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        _say(f'{printable(path)} lacks what could not be written ({why})')


@functools.cache
def _say(text: str) -> None:
    """Warn, once in a process."""
    print_log(text, 'current', logging.WARNING)


def append(path: Path, lines: Iterable[str]) -> None:
    """Append lines to a text file, as far as it can be written.

    Args:
        path: The file.
        lines: Without their ends.
    """
    with enduring(path), path.open('a', encoding='utf-8') as file:
        file.writelines(f'{line}\n' for line in lines)


@VISBACKENDS.register_module()
class EnduringVisBackend(LocalVisBackend):
    """mmengine's local backend, which a full disk does not stop.

    Takes the parent's arguments.
    """

    def __init__(self, save_dir: str, *args, **kwargs) -> None:
        super().__init__(save_dir, *args, **kwargs)
        self.folder = save_dir

    def add_image(self, *args, **kwargs) -> None:
        """Write a picture, see the parent, if that can be done."""
        with enduring(self.folder):
            super().add_image(*args, **kwargs)

    def add_scalar(self, *args, **kwargs) -> None:
        """Write a value, see the parent, if that can be done."""
        with enduring(self.folder):
            super().add_scalar(*args, **kwargs)

    def add_scalars(self, *args, **kwargs) -> None:
        """Write values, see the parent, if that can be done."""
        with enduring(self.folder):
            super().add_scalars(*args, **kwargs)


def with_enduring_backends(visualizer: dict) -> dict:
    """A visualizer's config, its local backend the one here.

    Args:
        visualizer: The config, which stays as it is.
    """
    visualizer = copy.deepcopy(visualizer)
    found = visualizer.get('vis_backends') or []
    for backend in [found] if isinstance(found, dict) else found:
        known = isinstance(backend, dict) and kind_of_part(backend)
        if known == LocalVisBackend.__name__:
            # Whoever asks for it by its name still finds it.
            backend.setdefault('name', LocalVisBackend.__name__)
            backend['type'] = EnduringVisBackend.__name__
    return visualizer
