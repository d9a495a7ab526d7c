"""Looking at a run must not end it."""

from collections.abc import Iterator
from contextlib import contextmanager


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
        runner.logger.warning(
            f'No {what}: {type(error).__name__}: {error}', exc_info=error
        )
