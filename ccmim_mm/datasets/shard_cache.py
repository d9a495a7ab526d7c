"""A folder of fetched shards that never holds more than it may.

fsspec has caches of whole files and of blocks, and none of them will do:
neither ``filecache``, ``simplecache`` nor ``blockcache`` bounds what it keeps
(they remove by age, if at all), and processes that want the same file each
fetch it, straight into its place, where others find it half written.

Here processes agree by ``flock`` on the files themselves, which ends with a
process however it ends:

- who reads a shard holds a shared lock, for one picture;
- who fetches one holds the exclusive lock of ``NAME.part``, which has its
  whole size from the start, so that files' sizes are what is taken or
  promised, and which becomes ``NAME.tar`` when it is complete and checked;
- who needs room holds ``.lock``, and of what was read longest ago takes the
  exclusive lock, empties and removes it.

No one waits for anything while reading, and none waits for a fetch that
waits itself, so all get on, if slowly, within a bound of a single shard.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ..files import printable
from . import remote_store
from .remote_store import Shard, ShardError
from .remote_urls import shown
from .sizes import size_of

#: Environment variables: the folder, and the most bytes in it.
FOLDER, SIZE = 'CCMIM_SHARD_CACHE', 'CCMIM_SHARD_CACHE_SIZE'
#: Chosen here.
DEFAULT_SIZE = '50GB'


class _Held(NamedTuple):
    """What lies in the folder: bytes, and files by when they were read."""

    total: int
    shards: list[Path]
    fetched: list[Path]


def shard_cache() -> 'ShardCache':
    """This process's, by its environment.

    Raises:
        ValueError: If the size is none.
    """
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = os.environ.get(FOLDER) or Path(home, 'ccmim_mm', 'shards')
    text = os.environ.get(SIZE) or DEFAULT_SIZE
    try:
        return ShardCache(folder, size_of(text))
    except ValueError:
        raise ValueError(
            f'a cache_size of {printable(text)}: write bytes, 200GB or 64GiB'
        ) from None


def use_cache(folder: str | None, size: str | int | None) -> None:
    """Have this process and those it starts use a cache; None changes none."""
    for name, value in ((FOLDER, folder), (SIZE, size)):
        if value is not None:
            os.environ[name] = str(value)


class ShardCache:
    """Shards that processes of one machine share.

    Args:
        folder: Where; on one disk of this machine.
        size: Bytes that all files in it have together, at most.
    """

    def __init__(self, folder: str | Path, size: int) -> None:
        self.folder, self.size = Path(folder), size

    def check(self, shards: list[Shard]) -> None:
        """Refuse a bound that cannot be kept.

        Raises:
            ValueError: If a shard is larger.
        """
        largest = max(shards, key=lambda shard: shard.size)
        if largest.size > self.size:
            raise ValueError(
                f'{shown(largest.url)} has {largest.size} bytes, more than '
                f'the {self.size} of the cache {printable(self.folder)}: set '
                f'cache_size to as much, better to several such'
            )

    @contextmanager
    def reading(self, shard: Shard) -> Iterator[int]:
        """A descriptor of a shard, fetched if need be; it stays until closed.

        Raises:
            OSError: If the folder cannot be written.
            ShardError: If the shard cannot be fetched.
        """
        self.check([shard])
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256('\n'.join(map(str, shard)).encode()).hexdigest()
        path = self.folder / f'{name[:32]}.tar'
        descriptor = None
        while descriptor is None:
            descriptor = _open(path, shard.size)
            if descriptor is None:
                descriptor = self._fetch(shard, path)
        try:
            yield descriptor
        finally:
            _close(descriptor)

    def _fetch(self, shard: Shard, path: Path) -> int | None:
        """Fetch a shard; None if another process did meanwhile."""
        part = path.with_suffix('.part')
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(part, flags, 0o666)
        done = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_at(descriptor, part):
                return None
            if not path.exists():
                self._reserve(descriptor, part, shard)
                _download(descriptor, shard)
                # Or who adds up what lies there may miss it.
                with _locked(self.folder / '.lock'):
                    os.rename(part, path)
                done = True
            return descriptor if done else None
        finally:
            if not done:
                if _is_at(descriptor, part):
                    os.truncate(descriptor, 0)
                    part.unlink()
                _close(descriptor)

    def _reserve(self, descriptor: int, part: Path, shard: Shard) -> None:
        """Make room and take it; waits while others' fetches have it all."""
        while True:
            with _locked(self.folder / '.lock'):
                busy = self._make_room(part, shard.size)
                if busy is None:
                    return self._take(descriptor, shard)
            with suppress(FileNotFoundError), _locked(busy, False):
                pass

    def _take(self, descriptor: int, shard: Shard) -> None:
        try:
            # Zero bytes cannot be taken.
            os.posix_fallocate(descriptor, 0, max(1, shard.size))
        except OSError as error:
            raise ShardError(
                f'{shown(shard.url)}: no room for its {shard.size} bytes in '
                f'the cache {printable(self.folder)} ({error.strerror}): set '
                'cache_dir to another disk, or cache_size to what this has'
            ) from None

    def _make_room(self, own: Path, size: int) -> Path | None:
        """Remove what was read longest ago; else a fetch to wait for."""
        held = self._held(own)
        total = held.total
        for path in held.shards:
            if total + size <= self.size:
                break
            total -= _remove(path)
        if total + size <= self.size:
            return None
        # What somebody else removed meanwhile was counted.
        return held.fetched[0] if held.fetched else self._make_room(own, size)

    def _held(self, own: Path) -> _Held:
        """What is there; what killed processes left is removed."""
        total, shards, fetched = 0, [], []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):
                state = path.stat()
                if path.suffix == '.tar':
                    shards.append((state.st_mtime_ns, path))
                elif path.suffix != '.part' or path == own:
                    continue
                elif not _is_locked(path):
                    _remove(path)
                    continue
                # Those of no size wait for room themselves.
                elif state.st_size:
                    fetched.append(path)
                total += state.st_size
        return _Held(total, [path for _, path in sorted(shards)], fetched)


def _download(descriptor: int, shard: Shard) -> None:
    """Write a shard over its place, checked for having stayed the same."""
    for start in range(0, shard.size, remote_store.BLOCK):
        size = min(remote_store.BLOCK, shard.size - start)
        data = memoryview(remote_store.block(shard, start, size))
        while data:
            written = os.pwrite(descriptor, data, start)
            data, start = data[written:], start + written
    remote_store.ask(
        shard.url, lambda store: remote_store.check_unchanged(shard, store)
    )
    # Or a machine that goes down leaves zeros under a good name.
    os.fsync(descriptor)


def _open(path: Path, size: int) -> int | None:
    """A shard under a shared lock, marked as read; None if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not _is_at(descriptor, path):
        _close(descriptor)
        return None
    if os.fstat(descriptor).st_size != size:
        # Somebody else's doing.
        _close(descriptor)
        _remove(path)
        return None
    os.utime(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    # Closing alone would leave the lock with a fork that has a copy.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return True
    _close(descriptor)
    return False


def _remove(path: Path) -> int:
    """Remove a file once nobody reads it; the bytes that this gives back."""
    with suppress(FileNotFoundError), _locked(path) as descriptor:
        if _is_at(descriptor, path):
            size = os.fstat(descriptor).st_size
            # Those who just opened it hold no bytes then.
            os.truncate(descriptor, 0)
            path.unlink()
            return size
    return 0


@contextmanager
def _locked(path: Path, exclusive: bool = True) -> Iterator[int]:
    """A file under a lock; it is made if it is the folder's own."""
    made = os.O_CREAT if path.name == '.lock' else 0
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | made, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield descriptor
    finally:
        _close(descriptor)
