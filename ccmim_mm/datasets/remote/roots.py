"""The shards that a data root on the network has, and its splits."""

from concurrent.futures import ThreadPoolExecutor

from .store import Shard, entries, facts, small_file
from .urls import (
    RemoteRoot,
    by_split,
    expand,
    names_of_listing,
    parse_root,
    shown,
)

#: Questions at a time: a shard's size and version are one each over HTTP.
_AT_A_TIME = 8
#: A listing of more bytes is none. Chosen here.
_MOST_LISTING = 64 << 20


def splits_of(root: str) -> dict[str, str]:
    """The URLs of ``train`` and ``val``, those that are there.

    Args:
        root: The data root.

    Raises:
        FileNotFoundError: If a listing is not there.
        OSError: If the store does not answer.
        ValueError: If the URL or what a listing says cannot be.
    """
    place = parse_root(root)
    if place.kind == 'folder':
        folders, _ = entries(place.url)
        names = (split for split in ('train', 'val') if split in folders)
        return {split: f'{place.url}/{split}' for split in names}
    if place.kind == 'listing' and not place.split:
        named = by_split(_listed(place))
        return {split: f'{place.url}#{split}' for split in named if split}
    return {}


def names_in(root: str) -> list[str]:
    """Names of the shards, relative to the root's folder; sizes unknown.

    Raises:
        FileNotFoundError: If there are none.
        OSError: If the store does not answer.
        ValueError: As :func:`splits_of`.
    """
    place = parse_root(root)
    if place.kind == 'folder':
        names = [*entries(place.url)[1]]
    elif place.kind == 'listing':
        names = by_split(_listed(place)).get(place.split, [])
    else:
        base = f'{place.base}/'
        names = [url.removeprefix(base) for url in expand(place.url)]
    if not names:
        raise FileNotFoundError(
            f'no shards in {shown(root)}, or no such bucket: *.tar is looked '
            'for, as ccmim pack writes them; single pictures are read from a '
            'disk alone'
        )
    return sorted(names, key=str.encode)


def shards_of(root: str) -> tuple[str, list[Shard]]:
    """Where a root's shards are, and these, sorted by name.

    Raises:
        FileNotFoundError: If there are none, or one is missing.
        OSError: If the store does not answer.
        ValueError: As :func:`splits_of`.
    """
    place = parse_root(root)
    if place.kind == 'folder':
        found = entries(place.url)[1]
        names = names_in(root) if not found else sorted(found, key=str.encode)
        shards = [found[name] for name in names]
        # Some stores tell other versions of a folder's files than of one,
        # which is what a fetch compares.
        if facts(shards[0].url) == shards[0]:
            return place.base, shards
    else:
        names = names_in(root)
    return place.base, each([f'{place.base}/{name}' for name in names])


def each(urls: list[str]) -> list[Shard]:
    """Sizes and versions of shards."""
    pool = ThreadPoolExecutor(_AT_A_TIME)
    try:
        return [*pool.map(facts, urls)]
    finally:
        pool.shutdown(cancel_futures=True)


def _listed(place: RemoteRoot) -> list[str]:
    content = small_file(place.url)
    assert content is not None
    if len(content) > _MOST_LISTING:
        raise ValueError(f'{shown(place.url)} is too long for a listing')
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f'{shown(place.url)} is no text') from None
    return names_of_listing(text, place.url)
