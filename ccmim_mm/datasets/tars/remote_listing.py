"""The pictures of shards on the network."""

import functools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from mmengine import dist
from mmengine.logging import print_log

from ..remote.cache import ShardCache, shard_cache
from ..remote.reading import announce, read_part
from ..remote.roots import names_in, shards_of
from ..remote.store import Shard, facts, small_file
from ..remote.urls import parse_root, shown
from ..walk import Listing, join
from .index import TarIndex, index_open_tar
from .listing import CLASSES_FILE, MOST_LABEL, TarListing, label_in_json
from .scan import Gathered

#: Shards that are fetched at a time to be listed. Chosen here.
_AT_A_TIME = 4


@dataclass(kw_only=True)
class RemoteListing(TarListing):
    """A listing of shards that are fetched when they are read.

    Labels are kept: shards need not be there for them.

    Attributes:
        shard_sizes: ``(k,)`` int64, of all shards, in bytes.
        versions: See :class:`Shard`.
        label_texts: What the labels' members have, one after the other,
            uint8.
        label_ends: ``(n,)`` int64, where each picture's ends.
    """

    shard_sizes: np.ndarray
    versions: list[str]
    label_texts: np.ndarray
    label_ends: np.ndarray

    def __post_init__(self) -> None:
        announce(self.shards())

    def __setstate__(self, state: dict) -> None:
        # In a process that was spawned, or another rank.
        vars(self).update(state)
        announce(self.shards())

    def shards(self) -> list[Shard]:
        """The shards, as they were when they were listed."""
        urls = [f'{self.root}/{name}' for name in self.folders[1:]]
        sizes = self.shard_sizes.tolist()
        return [*map(Shard, urls, sizes, self.versions)]

    def _label_bytes(self, row: int, size: int) -> bytes:
        start = self.label_ends[row - 1] if row else 0
        return self.label_texts[start : self.label_ends[row]].tobytes()

    def _classes_file(self) -> tuple[bytes | None, str]:
        url = f'{self.shards()[0].url.rpartition("/")[0]}/{CLASSES_FILE}'
        return small_file(url, missing=None), url


def scan_remote(root: str, shards: list[Shard]) -> RemoteListing:
    """Fetch shards into the cache, and list their pictures there.

    Members lie between their headers, a request each: reading a shard as a
    whole is faster than asking for its headers, and has it there.

    Args:
        root: The URL that the shards' names are relative to.
        shards: The shards, sorted.

    Raises:
        OSError: If one cannot be fetched.
        ValueError: If the cache is smaller than one, a shard is damaged, or
            two have a member of one name.
    """
    cache = shard_cache()
    cache.check(shards)
    folders = ['', *(s.url.removeprefix(f'{root}/') for s in shards)]
    found, labels = Gathered(), dict[tuple[int, int], bytes]()
    pool = ThreadPoolExecutor(_AT_A_TIME)
    try:
        indices = pool.map(lambda shard: _index(cache, shard), shards)
        for place, (index, texts) in enumerate(indices, 1):
            found.add(index, place, folders[place])
            labels |= {(place, start): t for start, t in texts.items()}
    finally:
        pool.shutdown(cancel_futures=True)
    names, sentences, places = found.sorted(root, folders)
    kinds, at = places['label_kinds'], places['label_offsets']
    rows = zip(kinds, places['shard'], at, strict=True)
    label_texts, label_ends = join(
        [
            labels.get((p, start), b'') if kind else b''
            for kind, p, start in rows
        ]
    )
    return RemoteListing(
        *join(names),
        folders,
        np.zeros((len(folders), 3), np.int64),
        sentences,
        root=root,
        **places,
        shard_sizes=np.array([s.size for s in shards], np.int64),
        versions=[s.version for s in shards],
        label_texts=label_texts,
        label_ends=label_ends,
    )


def _index(
    cache: ShardCache, shard: Shard
) -> tuple[TarIndex, dict[int, bytes]]:
    """A shard's members, and by their places what the labels have."""
    texts = {}
    with cache.reading(shard) as descriptor:
        index = index_open_tar(descriptor, shown(shard.url))
        raw, ends = index.names.tobytes(), index.ends.tolist()
        for row, (start, end) in enumerate(pairwise([0, *ends])):
            name = raw[start:end]
            if name.endswith((b'.cls', b'.json')):
                place = int(index.offsets[row])
                # What is longer is no label, and said where one is wanted.
                size = min(int(index.sizes[row]), MOST_LABEL)
                text = read_part(descriptor, place, size)
                texts[place] = text if name[-4:] == b'.cls' else _short(text)
    return index, texts


def _short(content: bytes) -> bytes:
    """Of a JSON the label alone: others tell long stories."""
    label = label_in_json(content)
    return b'{}' if label is None else json.dumps(dict(label=label)).encode()


def list_remote(root: str, known: Listing | None) -> RemoteListing:
    """List the shards that a URL stands for.

    Args:
        root: The URL.
        known: A listing that serves if the shards are those that it has.

    Raises:
        FileNotFoundError: If there are no shards, or one is missing.
        OSError: If the store does not answer.
        ValueError: As :func:`scan_remote`, or for a URL that cannot be.
    """
    base, shards = shards_of(root)
    shard_cache().check(shards)
    if isinstance(known, RemoteListing) and known.shards() == shards:
        announce(shards)
        return known
    total = sum(shard.size for shard in shards)
    print_log(
        f'{shown(root)}: {len(shards):,} shards, {total / 1e9:.2f} GB, are '
        f'fetched to be listed; the list is kept{_others_wait(root)}'
    )
    return scan_remote(base, shards)


def _others_wait(root: str) -> str:
    if dist.get_world_size() == 1:
        return ''
    return (
        '. The other ranks wait, env_cfg.dist_cfg.timeout seconds at most: '
        'raise it if that is too short, or list them in one process before, '
        "by ccmim_mm.datasets.listing.list_pictures('"
        f"{shown(root)}')"
    )


def remote_has_labels(root: str) -> bool:
    """Whether each picture of a root's first shard has a label.

    Args:
        root: The URL of a split.
    """
    base = parse_root(root).base
    return _is_labelled(base, facts(f'{base}/{names_in(root)[0]}'))


@functools.lru_cache
def _is_labelled(base: str, shard: Shard) -> bool:
    """As a start asks it ten times; a shard that changes is another."""
    return scan_remote(base, [shard]).is_labelled()
