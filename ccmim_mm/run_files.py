"""What a run leaves in its work dir: the names of its files, and its summary.

Imports nothing of the package, which takes seconds: a tool reads the names
before it (``ccmim_tools.run_files``).
"""

import json
from pathlib import Path
from typing import Any

#: What the run came to, see :func:`read_summary`, and its plot.
SUMMARY, CURVES = 'summary.json', 'curves.png'
#: Held by the process that trains there.
LOCK = '.lock'
#: Names the checkpoint that a resume goes on from.
LAST_CHECKPOINT = 'last_checkpoint'
#: Says that the run stopped because it was asked to.
MARKER = 'preempted'
#: The checkpoint of such a stop; the next regular one takes its place.
PREEMPTED = 'preempted.pth'
#: Tells a restarted process why the run was stopped, and the weights then.
STOPPED, LAST_GOOD = 'not_finite', 'last_good.pth'
#: Checkpoints that a run goes on from.
REGULAR = ('epoch_*.pth', 'iter_*.pth', PREEMPTED)
#: All that a run writes there at once or not at all.
WRITTEN = (
    *(*REGULAR, 'best_*.pth', LAST_GOOD, LAST_CHECKPOINT, MARKER),
    *(STOPPED, SUMMARY, CURVES),
)


def is_of_a_run(place: str | Path) -> bool:
    """Whether it is a folder that a run has written to, or a copy of one."""
    signs = LOCK, SUMMARY, LAST_CHECKPOINT
    there = any(Path(place, sign).is_file() for sign in signs)
    return there or (Path(place).is_dir() and holds_regular(place))


def holds_regular(work_dir: str | Path) -> bool:
    """Whether a checkpoint that a run goes on from lies in a work dir."""
    return any(any(Path(work_dir).glob(kind)) for kind in REGULAR)


def last_named(work_dir: str | Path) -> str:
    """The name of the checkpoint to go on from; empty if none is named.

    Its name alone: the work dir may have been moved.
    """
    last = Path(work_dir, LAST_CHECKPOINT)
    if not last.is_file():
        return ''
    return Path(last.read_text(errors='replace').strip()).name


def read_summary(work_dir: str | Path, *needed: str) -> dict[str, Any] | None:
    """What a run came to, as it says itself; None if it has not said it yet.

    Args:
        work_dir: Of the run.
        *needed: What has to be in it.

    Raises:
        ValueError: If it is damaged, or lacks any of that.
    """
    path = Path(work_dir, SUMMARY)
    if not path.is_file():
        return None
    try:
        summary = json.loads(path.read_text())
        for name in needed:
            summary[name]
        for point in summary.get('evaluations', ()):
            point['iter']
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Here, as it brings mmengine along; of whichever copy this is.
        from ccmim_mm.files import printable

        raise ValueError(
            f'{printable(path)} is damaged ({error!r}); the run writes it '
            'anew with its next evaluation'
        ) from error
    return summary
