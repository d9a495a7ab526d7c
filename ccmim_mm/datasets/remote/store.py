"""What a store on the network is asked, through fsspec, and how often."""

import errno
import importlib
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from .urls import HTTP, QUERY, protocol_of, shown

Answer = TypeVar('Answer')

#: Seconds before a question is put again: after a few it is an outage.
#: Chosen here; some packages try several times each, too.
WAITS: tuple[float, ...] = (1, 4, 15)
#: Bytes that are asked for at once. Chosen here.
BLOCK = 16 << 20
#: What says that a file is another one now, the first that a store tells.
_VERSIONS = (
    *('ETag', 'etag', 'md5Hash', 'Content-MD5', 'LastModified'),
    *('Last-Modified', 'last_modified', 'mtime', 'created'),
)
_CREDENTIALS = ('NoCredentialsError', 'PartialCredentialsError')
#: File systems of this process and of those it was forked from. fsspec lets go
#: of the latter, and their sessions would be closed here: on event loops whose
#: epoll is the parent's too, which then waits for ever.
_kept: dict[int, Any] = {}
_EXTRA = "pip install 'ccmim-mm[remote]'"


class ShardError(OSError):
    """A store that does not give what was asked for.

    No fault of a picture: loading does not go on with another one, which
    would end in other bits, but stops the run, which can be resumed.
    """


class ChangedShardError(ShardError):
    """A shard that is another one than when it was listed."""


class Shard(NamedTuple):
    """A shard as it was listed.

    Attributes:
        url: Where it is, without query.
        size: In bytes.
        version: What changes with its content; empty where a store tells
            nothing of the kind.
    """

    url: str
    size: int
    version: str


def filesystem(url: str) -> Any:
    """The file system of a URL, one a process.

    Raises:
        ImportError: If its package is missing.
        ValueError: If there is no such protocol.
    """
    protocol = protocol_of(url)
    options = {}
    try:
        fsspec = importlib.import_module('fsspec')
        if protocol in HTTP:
            own = fsspec.config.conf.get(protocol, {}).get('client_kwargs', {})
            # Has passwords read from ~/.netrc.
            options['client_kwargs'] = {'trust_env': True, **own}
        store = fsspec.filesystem(protocol, **options)
        _kept[id(store)] = store
        return store
    except ImportError as error:
        raise ImportError(
            f'{protocol}:// needs a package ({error}): {_EXTRA} brings those '
            'of s3 and https'
        ) from None
    except ValueError as error:
        raise ValueError(f'{shown(url)}: {shown(error)}') from None


def facts(url: str) -> Shard:
    """Size and version of a shard."""
    info = ask(url, lambda store: store.info(_address(url)))
    return _shard(url, info)


def _shard(url: str, info: dict) -> Shard:
    size = info.get('size')
    if size is None:
        raise ShardError(
            f'{shown(url)}: the store does not say how long it is'
        )
    told = (str(info[key]) for key in _VERSIONS if info.get(key))
    return Shard(url, int(size), next(told, '').strip('"'))


def entries(url: str) -> tuple[list[str], dict[str, Shard]]:
    """Names of a folder's folders, and its tars by their names.

    A folder that is missing has neither, as most stores know no empty ones.
    """
    found: list[dict] = ask(
        url, lambda store: store.ls(_address(url), detail=True), missing=[]
    )
    folders, shards = [], {}
    for info in found:
        name = info['name'].rstrip('/').rpartition('/')[2]
        if info.get('type') == 'directory':
            folders.append(name)
        elif name[:1] != '.' and name.lower().endswith('.tar'):
            shards[name] = _shard(f'{url}/{name}', info)
    return folders, shards


def small_file(url: str, **missing: Any) -> bytes | None:
    """All of a file; with ``missing=None`` None if there is none."""
    return ask(url, lambda store: store.cat_file(_address(url)), **missing)


def block(shard: Shard, start: int, size: int) -> bytes:
    """A part of a shard.

    Args:
        shard: The shard.
        start: Its first byte.
        size: In bytes.

    Raises:
        ChangedShardError: If the shard is another one now.
        ShardError: If it cannot be had.
    """

    def asked(store: Any) -> bytes:
        where, end = _address(shard.url), start + size
        try:
            data = store.cat_file(where, start=start, end=end)
            if len(data) == size:
                return data
            if len(data) == shard.size:
                raise _FinalError('the server gives whole files and no ranges')
            raise OSError(
                f'{len(data)} of {size} bytes from byte {start} came'
            )
        except Exception:
            try:
                # Which may be why.
                check_unchanged(shard, store)
            except ChangedShardError:
                raise
            except Exception:
                # What was asked first says more.
                pass
            raise

    return ask(shard.url, asked)


def check_unchanged(shard: Shard, store: Any) -> None:
    """Compare a shard with what was listed.

    Raises:
        ChangedShardError: If it is another one.
    """
    store.invalidate_cache()
    if _shard(shard.url, store.info(_address(shard.url))) != shard:
        raise ChangedShardError(
            f'{shown(shard.url)} changed since it was listed: start again, '
            'and replace shards by files of other names'
        )


class _FinalError(Exception):
    """What asking again does not mend."""


def ask(
    url: str, question: Callable[[Any], Answer], **missing: Answer
) -> Answer:
    """What a store answers, asked again a few times where that may help.

    Args:
        url: What it is about.
        question: Of fsspec's file system.
        missing: ``missing`` is the answer where there is no such file.

    Raises:
        FileNotFoundError: If there is no such file, bucket or page.
        ShardError: If the store refuses, or does not answer.
    """
    store = filesystem(url)
    for wait in (*WAITS, None):
        try:
            store.invalidate_cache()
            return question(store)
        except ShardError:
            raise
        except Exception as caught:
            error = _cause(url, caught)
            if isinstance(error, FileNotFoundError):
                if missing:
                    return missing['missing']
                raise FileNotFoundError(
                    errno.ENOENT,
                    'the store has no such file or bucket',
                    shown(url),
                ) from None
            reason = _refusal(error)
            if reason is None and wait is not None:
                time.sleep(wait)
                continue
            tried = f'; asked {len(WAITS) + 1} times' if not reason else ''
            raise ShardError(
                f'{shown(url)}: {reason or _said(error)}{tried}'
            ) from None
    raise AssertionError


def _cause(url: str, error: Exception) -> Exception:
    """What went wrong: of HTTP's files fsspec says of all that none is."""
    cause = error.__cause__
    if (
        isinstance(error, FileNotFoundError)
        and protocol_of(url) in HTTP
        and isinstance(cause, Exception)
        and getattr(cause, 'status', None) not in (404, 410)
    ):
        return cause
    return error


def _refusal(error: Exception) -> str | None:
    """Why asking again is of no use; None if it may be."""
    status = getattr(error, 'status', None)
    kind = type(error).__name__
    denied = isinstance(error, PermissionError) or status in (401, 403)
    if denied or kind in _CREDENTIALS:
        return (
            f'the store refuses these credentials, or there are none '
            f'({_said(error)}): see how fsspec is given those of its protocol'
        )
    final = isinstance(error, _FinalError | ImportError)
    if final or (status and 400 <= status < 500 and status not in (408, 429)):
        return _said(error)
    return None


def _said(error: Exception) -> str:
    status = getattr(error, 'status', None)
    if status:
        # aiohttp's text has the whole URL.
        return f'HTTP {status} {shown(getattr(error, "message", ""))}'
    return shown(str(error) or type(error).__name__)


def _address(url: str) -> str:
    """What fsspec is given: with the signature, where there is one."""
    query = os.environ.get(QUERY)
    if query and protocol_of(url) in HTTP:
        return f'{url}?{query.lstrip("?")}'
    return url
