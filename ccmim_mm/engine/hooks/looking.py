"""Looking at a run must not end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.dist import is_main_process

from ...datasets.fixed_pictures import load_fixed_pictures
from ...files import printable
from ..runner.sharded_runner import whole_model


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


def pictures_to_look_at(
    runner, what: str, dataset: dict, count: int, seed: int
) -> tuple[dict | None, int]:
    """Fixed pictures for the main process, which alone looks at them.

    No process waits here for another, so that one which fails takes no other
    with it.

    Args:
        runner: The runner.
        what: See :func:`optional`.
        dataset: See :func:`load_fixed_pictures`.
        count: Likewise.
        seed: Likewise.

    Returns:
        What that returns; ``(None, 0)`` elsewhere, or if it fails.
    """
    if is_main_process():
        with optional(runner, what):
            return load_fixed_pictures(dataset, count, seed)
    return None, 0


def at_whole_model(
    runner, what: str, look: Callable[..., None], *args
) -> None:
    """Have the main process look at the whole model, if it can.

    To be called by all processes, whatever they have to look at, as a model
    that is sharded is gathered.

    Args:
        runner: The runner.
        what: See :func:`optional`.
        look: What to call, with the runner and ``args``.
        args: See above.
    """
    with whole_model(runner):
        if is_main_process():
            with optional(runner, what):
                look(runner, *args)
