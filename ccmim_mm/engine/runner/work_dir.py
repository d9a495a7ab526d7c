"""One work dir, one run: who writes there, and what lies there already."""

import fcntl
import os
import socket
from pathlib import Path
from typing import IO

from mmengine.dist import master_only
from mmengine.logging import MMLogger

from ...checkpoints import check_archive, starts_as_archive
from ...files import printable, write_atomic
from ...run_files import (
    LAST_CHECKPOINT,
    LOCK,
    MARKER,
    REGULAR,
    last_named,
    read_summary,
)
from ...torchrun import is_first_of_machine
from ..enduring import enduring


class WorkDirLock:
    """Holds a work dir for the process that trains into it.

    A lock of the operating system, which ends with the process however that
    ends, and which loaders' workers do not inherit.

    Args:
        work_dir: The folder, which exists.
        logger: Where to say that it cannot be locked.

    Raises:
        FileExistsError: If another process trains there.
        OSError: If nothing can be written there.
    """

    def __init__(self, work_dir: str | Path, logger: MMLogger) -> None:
        # Not removed in the end: another may just have opened it.
        self.file: IO[str] = Path(work_dir, LOCK).open('a+')  # noqa: SIM115
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.file.seek(0)
            owner = self.file.read().strip() or 'another process'
            self.file.close()
            raise FileExistsError(
                f'{work_dir} is in use by {owner}: end that run first, or '
                'give another --work-dir'
            ) from None
        except OSError as error:
            logger.warning(f'{work_dir} cannot be locked ({error})')
            return
        self.file.truncate(0)
        self.file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        self.file.flush()

    def release(self) -> None:
        """Let others train there."""
        self.file.close()


def config_in(work_dir: str | Path) -> Path | None:
    """The config that a run has left in its work dir.

    Of several, as a resume under another name leaves them, the one that the
    run's ``summary.json`` names; None if it names none, or there are none.
    """
    found = {path.name: path for path in Path(work_dir).glob('*.py')}
    if len(found) == 1:
        return next(iter(found.values()))
    try:
        summary = read_summary(work_dir) or {}
        return found.get(summary.get('config', ''))
    except (OSError, ValueError, TypeError):
        return None


def undecided(work_dir: str | Path) -> str:
    """That several configs lie there, for people; empty if they do not."""
    names = sorted(path.name for path in Path(work_dir).glob('*.py'))
    if len(names) < 2:
        return ''
    first = ', '.join(names[:2] + ['...'] * (len(names) > 2))
    return printable(f'{work_dir} holds several configs ({first})')


def config_of(place: str | Path) -> str | Path:
    """The config that is meant: a path itself, or that of a run's work dir.

    Raises:
        ValueError: If the work dir holds none, or several of which its
            summary names none.
    """
    if not Path(place).is_dir():
        return place
    if (found := config_in(place)) is None:
        what = undecided(place) or f'{printable(place)} holds no config'
        raise ValueError(f'{what}: give one by its path')
    return found


def config_beside(checkpoint: str | Path, given: str | None) -> str:
    """Names the config of a checkpoint's run, unless it is the given one."""
    own = config_in(Path(checkpoint).parent)
    if own is None or own.resolve() == Path(given or '').resolve():
        return ''
    return f'; {own} is the config of its run, with its options'


def is_in(work_dir: str | Path, checkpoint: str | Path) -> bool:
    """Whether a checkpoint lies in a work dir."""
    return Path(checkpoint).resolve().parent == Path(work_dir).resolve()


def refuse_fresh_start(work_dir: str | Path) -> None:
    """Refuse to start afresh where any checkpoint lies.

    Raises:
        FileExistsError: Naming what continues it.
    """
    found = sorted(path.name for path in Path(work_dir).glob('*.pth'))
    if found or Path(work_dir, LAST_CHECKPOINT).exists():
        raise FileExistsError(
            f'{work_dir} already holds a run'
            + (f' ({", ".join(found[:3])})' if found else '')
            + ': --resume continues it, another --work-dir starts afresh'
        )


def clear_marker(work_dir: str | Path) -> None:
    """Have an earlier stop taken for none of this run's.

    To be called by all ranks: machines need not share their work dirs. One
    that cannot be removed stays, and the log says so.
    """
    marker = Path(work_dir, MARKER)
    if is_first_of_machine():
        with enduring(marker, 'stays: it could not be removed'):
            marker.unlink(missing_ok=True)


@master_only
def note_last(checkpoint: str | Path) -> None:
    """Have a resume in a checkpoint's folder go on from it."""
    last = Path(checkpoint).with_name(LAST_CHECKPOINT)
    named = last.read_text(errors='replace') if last.is_file() else ''
    if named.strip() != str(checkpoint):
        write_atomic(str(checkpoint).encode(), last)


def newest_checkpoint(work_dir: str | Path, logger: MMLogger) -> str | None:
    """The newest checkpoint of a work dir that is whole.

    Args:
        work_dir: The folder.
        logger: Where to name those that are passed over.

    Returns:
        Its path; None if there is no checkpoint at all.

    Raises:
        FileExistsError: If there are checkpoints, and none to go on from.
    """
    found = {
        path: path.stat().st_mtime_ns
        for kind in REGULAR
        for path in Path(work_dir).glob(kind)
    }
    # Of the same instant, on coarse clocks, the later of its kind.
    paths = sorted(
        found,
        key=lambda path: (found[path], len(path.name), path),
        reverse=True,
    )
    if named := last_named(work_dir):
        paths.sort(key=lambda path: path.name != named)
    for path in paths:
        try:
            check_archive(path)
            if not starts_as_archive(path):
                # Of what a run saves, all are.
                raise ValueError(f'{path} is broken: no archive')
        except (ValueError, OSError) as error:
            logger.warning(f'Passed over: {error}')
        else:
            return str(path)
    others = sorted(path.name for path in Path(work_dir).glob('*.pth'))
    if others:
        raise FileExistsError(
            f'{work_dir} has {", ".join(others[:3])}, and nothing whole to '
            f'go on from: --pretrained {Path(work_dir, others[0])} with '
            'another --work-dir starts from its weights'
        )
    return None
