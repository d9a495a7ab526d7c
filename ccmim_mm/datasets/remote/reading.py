"""Reading members of shards that are fetched."""

import os
from contextlib import ExitStack
from functools import lru_cache

from ...files import printable
from .cache import cache_folder, shard_cache
from .store import Shard, ShardError, facts
from .urls import shown

#: Shards of the listings that this process reads from, by their URLs.
_listed: dict[str, Shard] = {}


def announce(shards: list[Shard]) -> None:
    """Have what is read from shards be what was listed, or be refused."""
    _listed.update((shard.url, shard) for shard in shards)


def read_remote(url: str, offset: int, size: int) -> bytes:
    """A part of a shard on the network, through the cache.

    Args:
        url: The shard's.
        offset: In bytes.
        size: In bytes.

    Raises:
        OSError: If it ends before.
        ShardError: If it cannot be fetched, or the cache not be used.
    """
    # A path from a log may be read without any listing.
    shard = _listed.get(url) or _facts(url)
    with ExitStack() as stack:
        try:
            reading = shard_cache().reading(shard)
            descriptor = stack.enter_context(reading)
        except ShardError:
            raise
        except (OSError, ValueError, ImportError) as error:
            # Of this machine, and of no picture either.
            raise ShardError(
                f'{shown(url)}: {printable(_why(error))}'
            ) from error
        return read_part(descriptor, offset, size)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return (
            f'the cache {cache_folder()} cannot be used here ({error}): set '
            'cache_dir to a folder that can be written, on a disk of this '
            'machine that takes locks'
        )
    # They say what to set, or to install.
    return f'{error} (the cache here is {cache_folder()})'


# One question a process.
_facts = lru_cache(maxsize=None)(facts)


def read_part(descriptor: int, offset: int, size: int) -> bytes:
    """A part of an open tar.

    Args:
        descriptor: The file.
        offset: In bytes.
        size: In bytes.

    Raises:
        OSError: If it cannot be read, or ends before.
    """
    parts, left = [], size
    while left:
        # Linux reads 2 GiB at most at once.
        part = os.pread(descriptor, left, offset)
        if not part:
            raise OSError(f'the tar ends {left} bytes too early')
        parts.append(part)
        offset, left = offset + len(part), left - len(part)
    return parts[0] if len(parts) == 1 else b''.join(parts)
