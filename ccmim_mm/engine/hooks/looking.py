"""Looking at a run must not end it."""

from collections.abc import Iterator
from contextlib import contextmanager

from ...files import printable


@contextmanager
def optional(runner, what: str) -> Iterator[None]:
    """Go on where something that only looks fails, and say so.

    Args:
        runner: The runner, whose log has the traceback.
        what: That is left out then.
    """
    try:
        yield
    except Exception as error:
        said = printable(f'{type(error).__name__}: {error}')
        runner.logger.warning(f'No {what}: {said}', exc_info=error)
