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
  exclusive lock, empties and removes it; of a fetch only if nobody has it, as
  who fetches needs ``.lock`` too.

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

from ...files import printable
from ..locked_files import (
    close,
    is_at,
    locked,
    open_shared,
    remove,
    remove_if_free,
)
from ..sizes import size_of
from . import store
from .store import Shard, ShardError
from .urls import shown

#: Environment variables: the folder, and the most bytes in it.
FOLDER, SIZE = 'CCMIM_SHARD_CACHE', 'CCMIM_SHARD_CACHE_SIZE'
#: Chosen here.
DEFAULT_SIZE = '50GB'


class _Held(NamedTuple):
    """What lies in the folder: bytes, and files by when they were read."""

    total: int
    shards: list[Path]
    fetched: list[Path]


def cache_folder() -> Path:
    """Where this process's is, by its environment."""
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(os.environ.get(FOLDER) or Path(home, 'ccmim_mm', 'shards'))


def shard_cache() -> 'ShardCache':
    """This process's, by its environment.

    Raises:
        ValueError: If the size is none.
    """
    text = os.environ.get(SIZE) or DEFAULT_SIZE
    try:
        return ShardCache(cache_folder(), size_of(text))
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
            descriptor = open_shared(path, shard.size)
            if descriptor is None:
                descriptor = self._fetch(shard, path)
        try:
            yield descriptor
        finally:
            close(descriptor)

    def _fetch(self, shard: Shard, path: Path) -> int | None:
        """Fetch a shard; None if another process did meanwhile."""
        part = path.with_suffix('.part')
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(part, flags, 0o666)
        held = done = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            held = True
            if not is_at(descriptor, part):
                return None
            if not path.exists():
                self._reserve(descriptor, part, shard)
                _download(descriptor, shard)
                # Or who adds up what lies there may miss it.
                with locked(self.folder / '.lock'):
                    self._settle(descriptor, part, path)
                done = True
            return descriptor if done else None
        finally:
            if not done:
                # Who did not get it would empty what another one fetches.
                if held and is_at(descriptor, part):
                    os.truncate(descriptor, 0)
                    part.unlink()
                close(descriptor)

    def _settle(self, descriptor: int, part: Path, path: Path) -> None:
        if not is_at(descriptor, part):
            raise ShardError(
                f'somebody removed {printable(part)} while it was fetched: '
                'leave the cache to its processes'
            )
        os.rename(part, path)

    def _reserve(self, descriptor: int, part: Path, shard: Shard) -> None:
        """Make room and take it; waits while others' fetches have it all."""
        while True:
            with locked(self.folder / '.lock'):
                busy = self._make_room(part, shard.size)
                if busy is None:
                    return self._take(descriptor, shard)
            with suppress(FileNotFoundError), locked(busy, False):
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
            total -= remove(path)
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
                elif (
                    path.suffix != '.part'
                    or path == own
                    or remove_if_free(path)
                ):
                    continue
                # Those of no size wait for room themselves.
                elif state.st_size:
                    fetched.append(path)
                total += state.st_size
        return _Held(total, [path for _, path in sorted(shards)], fetched)


def _download(descriptor: int, shard: Shard) -> None:
    """Write a shard over its place, checked for having stayed the same."""
    try:
        for start in range(0, shard.size, store.BLOCK):
            size = min(store.BLOCK, shard.size - start)
            data = memoryview(store.block(shard, start, size))
            while data:
                written = os.pwrite(descriptor, data, start)
                data, start = data[written:], start + written
        store.ask(shard.url, lambda found: store.check_unchanged(shard, found))
    except FileNotFoundError:
        # As a picture's fault another one would be taken for it.
        raise ShardError(
            f'{shown(shard.url)} is gone since it was listed'
        ) from None
    # Or a machine that goes down leaves zeros under a good name.
    os.fsync(descriptor)
