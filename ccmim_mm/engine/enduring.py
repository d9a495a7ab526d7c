"""What a run notes of itself, on a disk that may be full."""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log
from mmengine.visualization import Visualizer

from ..files import printable

#: What a visualizer calls of its backends.
_WRITES = (
    *('add_config', 'add_graph', 'add_image', 'add_scalar', 'add_scalars'),
    'close',
)


@contextmanager
def enduring(
    path: str | Path, so: str = 'lacks what could not be written'
) -> Iterator[None]:
    """Go on where a file cannot be written, a full disk for one.

    The log says so once; what comes when there is room again is written.

    Args:
        path: The file.
        so: What is said of it then.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        _say(f'{printable(path)} {so} ({why})')


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


def make_enduring(visualizer: Visualizer) -> None:
    """Have no backend of a visualizer stop a run that cannot write.

    Whatever it is, TensorBoard's for one, as far as it raises OSError.

    Args:
        visualizer: It, whose backends are changed in place.
    """
    # It has no other way to all of them.
    for backend in visualizer._vis_backends.values():
        where = getattr(backend, '_save_dir', type(backend).__name__)
        for name in _WRITES:
            write = getattr(backend, name)
            setattr(backend, name, _enduring_call(write, where))


def _enduring_call(write: Callable[..., None], where: str) -> Callable:
    """A function that writes somewhere, if that can be done."""

    @functools.wraps(write)
    def call(*args, **kwargs) -> None:
        with enduring(where):
            write(*args, **kwargs)

    return call
