"""Finding the pictures of a folder of tar shards."""

import functools
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...files import printable
from ..remote.roots import names_in
from ..remote.urls import is_remote
from ..walk import ARRAYS, SUFFIXES, join, kind_of_entry, stamp
from .index import TarIndex, index_tar
from .listing import LABELS, TarListing

_LABEL_SUFFIXES = tuple(b'.' + suffix for suffix in LABELS)
_PICTURE_SUFFIXES = tuple(
    tuple(map(str.encode, suffixes)) for suffixes in (SUFFIXES, ARRAYS)
)


def shards_in(root: str | Path) -> list[str]:
    """The tars of a folder that holds nothing else to train on, sorted.

    One that holds a picture or a folder, hidden ones aside, is a folder of
    pictures, whatever tars lie in it. Of a URL, the shards that it stands
    for.
    """
    if is_remote(root):
        return names_in(str(root))
    shards = []
    with os.scandir(root) as entries:
        for entry in entries:
            if kind_of_entry(entry) in ('folder', 'picture'):
                return []
            if entry.name[0] != '.' and entry.name.lower().endswith('.tar'):
                shards.append(entry.name)
    return sorted(shards, key=os.fsencode)


def has_labels(root: str | Path) -> bool:
    """Whether each picture of a folder's first shard has a label."""
    root, first = os.path.abspath(root), shards_in(root)[0]
    state = os.stat(os.path.join(root, first))
    return _is_labelled(root, first, state.st_size, stamp(state))


@functools.lru_cache
def _is_labelled(root: str, shard: str, *_state: object) -> bool:
    """As a start asks it ten times; a shard that changes is another."""
    return scan_shards(root, [shard]).is_labelled()


def scan_shards(root: str | Path, shards: list[str]) -> TarListing:
    """List the pictures of shards by their headers.

    Args:
        root: The folder.
        shards: Their file names.

    Raises:
        OSError: If a shard cannot be read.
        ValueError: If one is damaged, or two have a member of one name.
    """
    root = os.path.abspath(root)
    folders = ['', *shards]
    stamps = [stamp(os.stat(os.path.join(root, f))) for f in folders]
    found = Gathered()
    for place, shard in enumerate(shards, 1):
        found.add(index_tar(os.path.join(root, shard)), place, shard)
    names, sentences, places = found.sorted(root, folders)
    return TarListing(
        *join(names),
        folders,
        np.array(stamps, np.int64),
        sentences,
        root=root,
        **places,
    )


class Gathered:
    """Pictures of shards, which are added one after the other."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self.firsts: dict[str, str] = {}
        self.found: list[_Pictures] = []

    def add(self, index: TarIndex, place: int, shard: str) -> None:
        """Take the pictures of a shard.

        Args:
            index: Its members.
            place: Its place among the folders of the listing.
            shard: Its file name.
        """
        more = dict(index.left_out)
        if index.cut_off:
            more['that are cut off with their shard'] = (1, '')
        self.found += _pictures_of(index, place, more)
        for what, (count, name) in more.items():
            self.left_out[what] += count
            first = f'{shard}: {name}'.removesuffix(': ')
            self.firsts.setdefault(what, first)

    def sorted(
        self, root: str, folders: list[str]
    ) -> tuple[list[bytes], list[str], dict[str, np.ndarray]]:
        """Names, what was left out, and the columns of a listing.

        Args:
            root: The shards' folder.
            folders: It and its shards, see :class:`TarListing`.

        Raises:
            ValueError: If two shards have a picture of one name.
        """
        sentences = [
            f'left out {count} members {what}, first '
            f'{printable(self.firsts[what])}'
            for what, count in self.left_out.items()
        ]
        arrays = [part for part in self.found if part.arrays]
        pictures = [part for part in self.found if not part.arrays]
        if pictures and arrays:
            count = sum(len(part.names) for part in arrays)
            sentences.append(
                f'left out {count} arrays, which lie beside pictures'
            )
        kept = pictures or arrays
        names = [name for part in kept for name in part.names]
        table = np.concatenate(
            [np.empty((6, 0), np.int64), *(part.table for part in kept)], 1
        )
        order = sorted(range(len(names)), key=names.__getitem__)
        names, table = [names[row] for row in order], table[:, order]
        _refuse_shared(root, folders, names, table[0])
        places = dict(
            shard=table[0].astype(np.int32),
            offsets=table[1],
            sizes=table[2],
            label_kinds=table[3].astype(np.int8),
            label_offsets=table[4],
            label_sizes=table[5],
        )
        return names, sentences, places


class _Pictures(NamedTuple):
    """Pictures of a shard, or its arrays.

    Attributes:
        arrays: Whether they are arrays.
        names: Of n members.
        table: ``(6, n)`` int64: place of the shard, offset and size; kind,
            offset and size of the label.
    """

    arrays: bool
    names: list[bytes]
    table: np.ndarray


def _pictures_of(
    index: TarIndex, place: int, left_out: dict[str, tuple[int, str]]
) -> list[_Pictures]:
    """Of a tar's members the pictures and arrays, where there are any."""
    raw, ends = index.names.tobytes(), index.ends.tolist()
    names = [raw[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    # As tar has it: the last of a name is what was meant.
    last = {name: row for row, name in enumerate(names)}
    if len(last) < len(names):
        lost = next(n for row, n in enumerate(names) if last[n] != row)
        left_out['that a later one of their name replaces'] = (
            len(names) - len(last),
            os.fsdecode(lost),
        )
    labels: dict[bytes, dict[bytes, int]] = {}
    for name, row in last.items():
        if name.endswith(_LABEL_SUFFIXES):
            stem, _, suffix = name.rpartition(b'.')
            labels.setdefault(stem, {})[suffix] = row
    found = []
    for arrays, suffixes in enumerate(_PICTURE_SUFFIXES):
        rows = [row for n, row in last.items() if n.lower().endswith(suffixes)]
        if rows:
            table = np.zeros((6, len(rows)), np.int64)
            table[0] = place
            table[1:3] = index.offsets[rows], index.sizes[rows]
            if labels:
                beside = [_label_beside(names[row], labels) for row in rows]
                kinds, at = np.array(beside, np.int64).T
                table[3] = kinds
                table[4:] = index.offsets[at], index.sizes[at]
            kept = [names[row] for row in rows]
            found.append(_Pictures(bool(arrays), kept, table))
    return found


def _label_beside(
    name: bytes, labels: dict[bytes, dict[bytes, int]]
) -> tuple[int, int]:
    """Kind and row of a picture's label; zeros for none."""
    beside = labels.get(name.rpartition(b'.')[0])
    if beside is None:
        # WebDataset's key ends at the first dot of the file name.
        folder, slash, file = name.rpartition(b'/')
        beside = labels.get(folder + slash + file.partition(b'.')[0], {})
    for suffix, kind in LABELS.items():
        if suffix in beside:
            return kind, beside[suffix]
    return 0, 0


def _refuse_shared(
    root: str, folders: list[str], names: list[bytes], shard: np.ndarray
) -> None:
    """Refuse names that two shards have: which is which is not known."""
    shared = [row for row, (a, b) in enumerate(pairwise(names)) if a == b]
    if shared:
        row = shared[0]
        one, other = (folders[place] for place in shard[row : row + 2])
        raise ValueError(
            f'{printable(os.path.join(root, other))}: '
            f'{printable(os.fsdecode(names[row]))} is in {printable(one)} too '
            f'({len(shared)} such): remove the copy, or give every picture '
            'of all shards its own name'
        )
