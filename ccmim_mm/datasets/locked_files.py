"""Files that processes of one machine agree on by ``flock``."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.logging import print_log


def open_shared(path: Path, size: int) -> int | None:
    """A file under a shared lock, marked as read; None if it is not there.

    Args:
        path: The file.
        size: What it has, in bytes; one of another size is removed.

    Raises:
        OSError: If it cannot be opened or locked.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not is_at(descriptor, path):
        close(descriptor)
        return None
    if os.fstat(descriptor).st_size != size:
        # Somebody else's doing.
        close(descriptor)
        remove(path)
        return None
    os.utime(descriptor)
    return descriptor


def close(descriptor: int) -> None:
    """Close a file and let go of its lock."""
    # Closing alone would leave the lock with a fork that has a copy.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def remove(path: Path) -> int:
    """Remove a file once nobody reads it; the bytes that this gives back."""
    with suppress(FileNotFoundError), locked(path) as descriptor:
        return _empty(descriptor, path)
    return 0


def remove_if_free(path: Path) -> bool:
    """Remove a file unless somebody has its lock; whether it is gone.

    Raises:
        OSError: If it is missing, or cannot be opened or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        # Looking first and removing then would wait for who comes between.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    try:
        _empty(descriptor, path)
    finally:
        close(descriptor)
    return True


def _empty(descriptor: int, path: Path) -> int:
    """Remove a file under its lock; the bytes that this gives back."""
    if not is_at(descriptor, path):
        return 0
    size = os.fstat(descriptor).st_size
    # Those who just opened it hold no bytes then.
    os.truncate(descriptor, 0)
    path.unlink()
    return size


@contextmanager
def one_first(path: Path) -> Iterator[None]:
    """Have one process go first, so that the others find what it has done.

    Those that come meanwhile wait for it, then go on together. Where files
    cannot be locked, none waits.

    Args:
        path: A file of theirs, which is made and stays.
    """
    descriptor = None
    # Where nothing can be written, or locked.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
        _lock_or_wait(descriptor, path)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _lock_or_wait(descriptor: int, path: Path) -> None:
    """Take a file's lock, or wait for whoever has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print_log(f'waits for the process that has {path}', 'current')
        fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextmanager
def locked(path: Path, exclusive: bool = True) -> Iterator[int]:
    """A file under a lock; it is made if it is a folder's ``.lock``."""
    made = os.O_CREAT if path.name == '.lock' else 0
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | made, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield descriptor
    finally:
        close(descriptor)
