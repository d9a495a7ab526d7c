"""Looking at a run must not end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.dist import is_main_process
from mmengine.registry import DATASETS

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

    All build and list the dataset, which many do together. No process waits
    for another after that, where one may fail that reads pictures.

    Args:
        runner: The runner.
        what: See :func:`optional`.
        dataset: Config of the dataset.
        count: See :func:`load_fixed_pictures`.
        seed: Likewise.

    Returns:
        What that returns, and how many pictures there are; ``(None, 0)``
        elsewhere, or if it fails.
    """
    with optional(runner, what):
        built = DATASETS.build(dataset)
        total = len(built)
        if is_main_process():
            return load_fixed_pictures(built, count, seed), total
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
