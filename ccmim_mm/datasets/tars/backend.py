"""Members of tar files as paths that any loading transform reads.

``tar:///DIR/SHARD.tar#NAME@OFFSET+SIZE``: OFFSET and SIZE are bytes. Whoever
opens it needs no list of what is in the tar.
"""

import os
import re
import threading
from collections import OrderedDict
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, register_backend

from ...files import printable
from ..remote.reading import read_part, read_remote
from ..remote.store import ShardError
from ..remote.urls import is_remote
from ..transforms.loading import MAX_BYTES

PREFIX = 'tar://'
#: Tars that a process holds open at most. Chosen here.
MOST_OPEN = 64
_URI = re.compile(r'tar://([^#]*)#(.*)@(\d+)\+(\d+)', re.DOTALL)


def member_path(shard: str, name: str, offset: int, size: int) -> str:
    """The path of a member.

    Args:
        shard: The tar's absolute path.
        name: The member's.
        offset: Of its content in the tar, in bytes.
        size: Of its content, in bytes.
    """
    shard = shard.replace('%', '%25').replace('#', '%23')
    # mmengine takes a path with two of them for none.
    shard, name = (p.replace('://', ':/%2F') for p in (shard, name))
    return f'{PREFIX}{shard}#{name}@{offset}+{size}'


def split_path(path: str) -> tuple[str, str, int, int]:
    """What :func:`member_path` was given.

    Raises:
        ValueError: If it is no path of a member.
    """
    found = _URI.fullmatch(path)
    if not found:
        raise ValueError(
            f'{path}: write {PREFIX}/DIR/SHARD.tar#NAME@OFFSET+SIZE'
        )
    shard, name, offset, size = found.groups()
    name, shard = (p.replace(':/%2F', '://') for p in (name, shard))
    shard = shard.replace('%23', '#').replace('%25', '%')
    return shard, name, int(offset), int(size)


def plain_path(path: str) -> str:
    """A picture's path without places: a member's is within its tar's.

    ``/data/a.tar/red/1.png`` of ``tar:///data/a.tar#red/1.png@512+99``;
    others are as they are.
    """
    if not path.startswith(PREFIX):
        return path
    shard, name, _, _ = split_path(path)
    return os.path.join(shard, name)


class _Opened:
    """An open file, closed when nobody reads it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if 'descriptor' in vars(self):
            os.close(self.descriptor)


class _Pool:
    """The tars that were read last, open, of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.files: OrderedDict[str, _Opened] = OrderedDict()

    def file(self, path: str) -> _Opened:
        """A tar, opened if it is not."""
        with self.lock:
            found = self.files.pop(path, None) or _Opened(path)
            self.files[path] = found
            if len(self.files) > MOST_OPEN:
                self.files.popitem(last=False)
        return found


_pool = _Pool()


def read_at(path: str, offset: int, size: int) -> bytes:
    """A part of a file, which is kept open.

    Args:
        path: The file, or the URL of a shard, which is fetched.
        offset: In bytes.
        size: In bytes.

    Raises:
        OSError: If it cannot be read, or ends before.
    """
    if is_remote(path):
        return read_remote(path, offset, size)
    global _pool
    if _pool.process != os.getpid():
        # A fork's: another thread may have held its lock.
        _pool = _Pool()
    file = _pool.file(path)
    return read_part(file.descriptor, offset, size)


class TarBackend(BaseStorageBackend):
    """mmengine's file backend of ``tar://`` paths; it reads and no more."""

    def get(self, filepath: str | Path) -> bytes:
        """A member's content.

        Raises:
            OSError: If it cannot be read, or has more than ``MAX_BYTES``.
            ShardError: If its shard cannot be fetched.
            ValueError: If the path is none of a member.
        """
        shard, name, offset, size = split_path(str(filepath))
        if size > MAX_BYTES:
            raise OSError(
                f'{size} bytes, more than the {MAX_BYTES} of a picture'
            )
        try:
            return read_at(shard, offset, size)
        except ShardError as error:
            raise type(error)(f'{printable(name)} of {error}') from None

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """A member's content as text."""
        return self.get(filepath).decode(encoding)


register_backend('tar', TarBackend, force=True, prefixes='tar')
