"""The pictures of a folder of tar shards, and their labels."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..files import printable
from .tar_backend import member_path, read_at
from .tar_headers import index_tar
from .walk import (
    ARRAYS,
    SUFFIXES,
    Listing,
    join,
    kind_of_entry,
    sorted_classes,
    stamp,
)

#: Names of classes by number, a JSON list beside the shards.
CLASSES_FILE = 'classes.json'
#: What a label is read from, by its number in :attr:`TarListing.label_kinds`.
_LABELS = {b'cls': 1, b'json': 2}
#: Keys of a label in a member's JSON, the first that is there.
_KEYS = ('label', 'cls', 'class')
#: A label of more bytes is none. Chosen here.
_MOST_LABEL = 1 << 20
#: Members of the first shard that tell whether there are labels.
_PEEK = 64


@dataclass(kw_only=True)
class TarListing(Listing):
    """A listing whose pictures are members of tars.

    Sorted by the members' names over all shards, wherever they lie, so that
    a folder and its shards give every picture the same number. ``folders``
    are the folder itself and its shards.

    Attributes:
        root: The folder.
        shard: ``(n,)`` int32: the place of a picture's shard in ``folders``.
        offsets: ``(n,)`` int64, of the contents in the shards, in bytes.
        sizes: ``(n,)`` int64, of the contents, in bytes.
        label_kinds: ``(n,)`` int8: 1 for a ``.cls`` beside the picture, else
            2 for a ``.json``, 0 for neither.
        label_offsets: ``(n,)`` int64, of that.
        label_sizes: ``(n,)`` int64, of that.
    """

    root: str
    shard: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    label_kinds: np.ndarray
    label_offsets: np.ndarray
    label_sizes: np.ndarray

    def path(self, root: str | Path, index: int) -> str:
        """A ``tar://`` path of picture ``index``, in ``[0, len)``."""
        return member_path(
            self._shard(index),
            self[index],
            int(self.offsets[index]),
            int(self.sizes[index]),
        )

    def physical(self) -> np.ndarray:
        """The pictures in the order that they lie on the disk, ``(n,)``."""
        return np.lexsort((self.offsets, self.shard))

    def classes(self) -> tuple[list[str], np.ndarray]:
        """Class names, sorted, and each picture's class, ``(n,)`` int32.

        Of the members ``.cls``, else of ``.json`` with a label, else of the
        first folder of the pictures' names.

        Raises:
            ValueError: If a picture has no label, or one that is none.
        """
        kind = self._labelled_by()
        if not kind:
            return super().classes()
        bare = np.flatnonzero(self.label_kinds != kind)
        if len(bare):
            raise ValueError(
                f'{self._name(bare[0])} has no label as others have '
                f'({len(bare)} such): give each picture a .cls beside it'
            )
        found: list[int | str] = [0] * len(self)
        for row in self.physical().tolist():
            found[row] = self._label(row)
        numbers = [label for label in found if isinstance(label, int)]
        if len(numbers) < len(found):
            return sorted_classes([str(label) for label in found])
        present, labels = np.unique(numbers, return_inverse=True)
        names = self._class_names(present.tolist())
        return names, labels.astype(np.int32)

    def class_of(self, index: int) -> str | None:
        """Whatever names the class of picture ``index``; None for nothing."""
        if self._labelled_by():
            return str(self._label(index)) if self.label_kinds[index] else None
        return super().class_of(index)

    def _labelled_by(self) -> int:
        """The kind of the members that labels are read from; 0 for none."""
        if (self.label_kinds == _LABELS[b'cls']).any():
            return _LABELS[b'cls']
        rows = np.flatnonzero(self.label_kinds)
        if len(rows) and _of_json(self._content(rows[0])) is not None:
            return _LABELS[b'json']
        return 0

    def _shard(self, row: int) -> str:
        return os.path.join(self.root, self.folders[self.shard[row]])

    def _name(self, row: int) -> str:
        return f'{printable(self._shard(row))}: {printable(self[int(row)])}'

    def _content(self, row: int) -> bytes:
        size = int(self.label_sizes[row])
        if size > _MOST_LABEL:
            raise ValueError(
                f'{self._name(row)}: its label has {size} bytes: none is as '
                'long, write a number or a name'
            )
        shard, place = self._shard(row), int(self.label_offsets[row])
        return read_at(shard, place, size)

    def _label(self, row: int) -> int | str:
        """The label that lies beside a picture.

        Raises:
            ValueError: If it is none.
        """
        content = self._content(row)
        label: int | str | None
        if self.label_kinds[row] == _LABELS[b'json']:
            label = _of_json(content)
        else:
            label = content.strip().decode(errors='surrogateescape')
            if label.removeprefix('-').isdecimal():
                label = int(label)
        if label in (None, '') or (isinstance(label, int) and label < 0):
            raise ValueError(
                f'{self._name(row)}: its label is {printable(content[:40])}: '
                f'write a number from 0 or a name into its .cls, or as '
                f'{" or ".join(_KEYS)} into its .json'
            )
        return label  # type: ignore[return-value]

    def _class_names(self, present: list[int]) -> list[str]:
        path = Path(self.root, CLASSES_FILE)
        if not path.is_file():
            return [str(number) for number in present]
        try:
            names = json.loads(path.read_text('utf-8'))
            return [str(names[number]) for number in present]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f'{printable(path)} names no {present[-1] + 1} classes '
                f'({error}): write a list of them, or remove it'
            ) from None


def _of_json(content: bytes) -> int | str | None:
    """The label in a member's JSON; None if there is none."""
    try:
        told = json.loads(content)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    label = next((told[key] for key in _KEYS if key in told), None)
    fits = isinstance(label, int | str) and not isinstance(label, bool)
    return label if fits else None


def shards_in(root: str | Path) -> list[str]:
    """The tars of a folder that holds nothing else to train on, sorted.

    One that holds a picture or a folder, hidden ones aside, is a folder of
    pictures, whatever tars lie in it.
    """
    shards = []
    with os.scandir(root) as entries:
        for entry in entries:
            if kind_of_entry(entry) in ('folder', 'picture'):
                return []
            if entry.name[0] != '.' and entry.name.lower().endswith('.tar'):
                shards.append(entry.name)
    return sorted(shards, key=os.fsencode)


def has_labels(root: str | Path) -> bool:
    """Whether the first members of a folder's shards have labels."""
    listing = scan_shards(root, shards_in(root)[:1], _PEEK)
    if not len(listing):
        return False
    names = range(len(listing))
    return all(listing.class_of(row) is not None for row in names)


def scan_shards(
    root: str | Path, shards: list[str], most: int | None = None
) -> TarListing:
    """List the pictures of shards by their headers.

    Args:
        root: The folder.
        shards: Their file names.
        most: Look at so many members of a shard; None looks at all.

    Raises:
        OSError: If a shard cannot be read.
        ValueError: If one is damaged, or two have a member of one name.
    """
    root = os.path.abspath(root)
    folders = ['', *shards]
    stamps = [stamp(os.stat(os.path.join(root, f))) for f in folders]
    found: dict[bool, list[tuple]] = {False: [], True: []}
    left_out: Counter[str] = Counter()
    firsts: dict[str, str] = {}
    for place, shard in enumerate(shards, 1):
        index = index_tar(os.path.join(root, shard), most)
        more = dict(index.left_out)
        if index.cut_off:
            more['that are cut off with their shard'] = (1, '')
        _take_pictures(index, place, found, more)
        for what, (count, name) in more.items():
            left_out[what] += count
            firsts.setdefault(what, f'{shard}: {name}'.removesuffix(': '))
    arrays = found[True] if found[False] else []
    rows = sorted(found[False] or found[True], key=lambda row: row[0])
    _refuse_shared(root, folders, rows)
    sentences = [
        f'left out {count} members {what}, first {printable(firsts[what])}'
        for what, count in left_out.items()
    ]
    if arrays:
        sentences.append(f'left out {len(arrays)} arrays beside pictures')
    table = np.array([row[1:] for row in rows], np.int64).reshape(-1, 6).T
    return TarListing(
        *join([row[0] for row in rows]),
        folders,
        np.array(stamps, np.int64),
        sentences,
        root=root,
        shard=table[0].astype(np.int32),
        offsets=table[1],
        sizes=table[2],
        label_kinds=table[3].astype(np.int8),
        label_offsets=table[4],
        label_sizes=table[5],
    )


def _take_pictures(
    index,
    place: int,
    found: dict[bool, list[tuple]],
    left_out: dict[str, tuple[int, str]],
) -> None:
    """Sort a tar's members into pictures, arrays and what labels them."""
    raw, ends = index.names.tobytes(), index.ends.tolist()
    spans = zip(index.offsets.tolist(), index.sizes.tolist(), strict=True)
    members: dict[bytes, tuple[int, int]] = {}
    twice: list[bytes] = []
    start = 0
    for end, span in zip(ends, spans, strict=True):
        name = raw[start:end]
        start = end
        if name in members:
            twice.append(name)
        # As tar has it: the last is what was meant.
        members[name] = span
    if twice:
        first = os.fsdecode(twice[0])
        left_out['that a later one of their name replaces'] = (
            len(twice),
            first,
        )
    labels: dict[bytes, dict[bytes, tuple[int, int]]] = {}
    for name, span in members.items():
        stem, _, suffix = name.rpartition(b'.')
        if suffix in _LABELS:
            labels.setdefault(stem, {})[suffix] = span
    suffixes = tuple(map(str.encode, SUFFIXES))
    array = tuple(map(str.encode, ARRAYS))
    for name, span in members.items():
        lower = name.lower()
        if lower.endswith(suffixes):
            rows = found[False]
        elif lower.endswith(array):
            rows = found[True]
        else:
            continue
        rows.append((name, place, *span, *_label_beside(name, labels)))


def _label_beside(
    name: bytes, labels: dict[bytes, dict[bytes, tuple[int, int]]]
) -> tuple[int, int, int]:
    """Kind, offset and size of a picture's label; zeros for none."""
    beside = labels.get(name.rpartition(b'.')[0])
    if beside is None:
        # WebDataset's key ends at the first dot of the file name.
        folder, slash, file = name.rpartition(b'/')
        beside = labels.get(folder + slash + file.partition(b'.')[0], {})
    for suffix, kind in _LABELS.items():
        if suffix in beside:
            return kind, *beside[suffix]
    return 0, 0, 0


def _refuse_shared(root: str, folders: list[str], rows: list[tuple]) -> None:
    """Refuse names that two shards have: which is which is not known."""
    shared = [(a, b) for a, b in pairwise(rows) if a[0] == b[0]]
    if shared:
        one, other = shared[0]
        where = printable(os.path.join(root, folders[other[1]]))
        raise ValueError(
            f'{where}: {printable(os.fsdecode(one[0]))} is in '
            f'{printable(folders[one[1]])} too ({len(shared)} such): remove '
            'the copy, or give every picture of all shards its own name'
        )
