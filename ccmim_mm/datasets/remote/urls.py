"""URLs of shards: what they mean, and what may not stand in them.

Nothing here asks the network.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from ...files import printable

#: Protocols without a way to list a folder.
HTTP = ('http', 'https')
#: Environment variable of a signature that HTTP requests carry as a query.
QUERY = 'CCMIM_URL_QUERY'
#: More shards than a pattern or a listing will ever mean. Chosen here.
MOST_SHARDS = 1_000_000
_SCHEME = re.compile(r'([a-z][a-z0-9+.-]*)://', re.IGNORECASE)
_RANGE = re.compile(r'\{(\d+)\.\.(\d+)\}')
# A host, its port; S3 has access points, which have colons.
_PLACE = r'(?:arn:aws[\w:-]*|\[[^\]\s/]*\]|[^:/\s]*)(?::\d*)?'
# What follows the mark of a query, or goes before the host; a password may
# have slashes.
_SECRET = re.compile(
    rf'(?<=://)(?:[^/\s@]*@|(?!{_PLACE}(?:[/\s?#]|$))\S*@)'
    r'|\?[^\s\'"<>)#]*'
)
# No other host, no query, no way up or out; no name that a shell would eat.
_LINE = re.compile(r'[^\W_][\w.+=,@ ()-]*(?:/[^\W_][\w.+=,@ ()-]*)*\.tar')
_SPLITS = ('train', 'val')


class RemoteRoot(NamedTuple):
    """Shards that a URL stands for.

    Attributes:
        url: The URL, without fragment.
        kind: ``'folder'`` is listed by the store, ``'listing'`` is a text
            file of names, ``'shards'`` is one shard or a pattern of some.
        split: ``train`` or ``val`` of a listing; empty for all.
    """

    url: str
    kind: str
    split: str = ''

    @property
    def base(self) -> str:
        """The folder that names are relative to, without a slash behind."""
        if self.kind == 'folder':
            return self.url
        return self.url.rpartition('/')[0]


def is_remote(root: object) -> bool:
    """Whether a data root or a shard's path is fetched from elsewhere."""
    found = _SCHEME.match(str(root))
    if found is None:
        return False
    return found[1].lower() not in ('tar', 'file', 'local')


def protocol_of(url: str) -> str:
    """``s3`` of ``s3://bucket``."""
    return url.partition('://')[0].lower()


def shown(text: object) -> str:
    """One line without the passwords and queries of its URLs."""
    query = os.environ.get(QUERY)
    text = str(text)
    if query:
        text = text.replace(query.lstrip('?'), '')
    return printable(_SECRET.sub('', text))


def parse_root(root: str) -> RemoteRoot:
    """What a data root that is a URL stands for.

    Raises:
        ValueError: If it carries a password or a query, names no shards,
            has a range before its last slash or a fragment that means
            nothing, or is a folder of HTTP, which cannot be listed.
    """
    root = str(root)
    bare, _, split = root.partition('#')
    parts = urlsplit(bare)
    # One that begins as a port does and has a slash.
    ported = ':' in parts.netloc and protocol_of(bare) not in HTTP
    if (
        '@' in parts.netloc
        or '?' in bare
        or not re.fullmatch(_PLACE, parts.netloc)
        or (ported and '@' in bare)
    ):
        # Configs, logs and checkpoints keep the data root.
        raise ValueError(
            f'{_without_password(root)}: a password or a query in a URL would '
            'be written into logs and checkpoints: put a password into '
            f"~/.netrc or the store's own configuration, a query into {QUERY}"
        )
    if not parts.netloc:
        raise ValueError(f'{shown(bare)} names no host or bucket')
    url = bare.rstrip('/')
    if re.search('[{}]', url.rpartition('/')[0]):
        raise ValueError(
            f'{shown(url)}: ranges stand behind the last slash alone; a .txt '
            'names shards of several folders'
        )
    if split and not url.lower().endswith('.txt'):
        raise ValueError(
            f'{shown(root)}: only a .txt has parts, #train and #val: leave '
            f"#{shown(split)} away, or write a folder's name behind a slash"
        )
    if url.lower().endswith('.tar'):
        return RemoteRoot(url, 'shards')
    if url.lower().endswith('.txt'):
        if split not in ('', *_SPLITS):
            raise ValueError(f'{shown(root)}: write #train, #val or neither')
        return RemoteRoot(url, 'listing', split)
    if protocol_of(url) in HTTP:
        raise ValueError(
            f'{shown(url)}: HTTP lists no folders: name shards, as '
            f"'{shown(url)}/shard-{{00000..00146}}.tar', or a .txt beside "
            'them that has their names, one a line'
        )
    return RemoteRoot(url, 'folder')


def _without_password(root: str) -> str:
    """A root that is refused: its password may have any characters."""
    protocol, _, rest = root.partition('://')
    user, at, place = rest.partition('?')[0].rpartition('@')
    if at and ':' in user:
        return shown(f'{protocol}://{place}')
    if ':' in place and (
        protocol_of(root) not in HTTP
        or not re.fullmatch(_PLACE, place.partition('/')[0])
    ):
        return f'{protocol}://'
    return shown(root)


def expand(pattern: str) -> list[str]:
    """The names that ``train-{000..146}.tar`` stands for, both ends too.

    Raises:
        ValueError: If a range runs backwards or means too many.
    """
    found = _RANGE.search(pattern)
    before = pattern[: found.start()] if found else pattern
    if re.search('[{}*]', before):
        raise ValueError(
            f'{shown(pattern)}: write ranges as {{000..146}}, and no '
            'other braces or stars'
        )
    if not found:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < MOST_SHARDS:
        raise ValueError(f'{shown(pattern)}: {found[0]} is no range')
    behind = expand(pattern[found.end() :])
    # As a shell: with zeros in front if the first has some.
    width = len(found[1]) if found[1].startswith('0') else 1
    numbers = range(first, last + 1)
    return [f'{before}{n:0{width}}{rest}' for n in numbers for rest in behind]


def names_of_listing(text: str, url: str) -> list[str]:
    """The shards that a listing names, relative to its folder, in order.

    A listing is data of somebody: what it names lies in its own folder or
    below.

    Args:
        text: Names, one a line; empty lines and those with ``#`` in front
            say nothing.
        url: The listing's, for errors.

    Raises:
        ValueError: For the first line that is none, or is there twice.
    """
    found: dict[str, int] = {}
    for number, line in _lines(text):
        if not _LINE.fullmatch(line):
            raise ValueError(
                f'{shown(url)}, line {number}: {shown(line)[:100]} is no '
                'shard in its folder: a listing names .tar files beside it '
                'or below, and no hosts, queries or other folders'
            )
        if line in found:
            raise ValueError(
                f'{shown(url)}, line {number}: {line} is in line '
                f'{found[line]} too'
            )
        found[line] = number
    return [*found]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split('\n'), 1):
        line = line.strip()
        if line and line[0] != '#':
            yield number, line


def by_split(names: list[str]) -> dict[str, list[str]]:
    """Names in ``train/`` and ``val/``, and under the empty split all."""
    found = {'': names}
    for split in _SPLITS:
        inner = [name for name in names if name.startswith(f'{split}/')]
        if inner:
            found[split] = inner
    return found
