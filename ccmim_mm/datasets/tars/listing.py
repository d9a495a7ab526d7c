"""The pictures of a folder of tar shards, and their labels."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import printable
from ..walk import (
    Listing,
    sorted_classes,
)
from .backend import member_path, read_at

#: Names of classes by number, a JSON list beside the shards.
CLASSES_FILE = 'classes.json'
#: What a label is read from, by its number in :attr:`TarListing.label_kinds`.
LABELS = {b'cls': 1, b'json': 2}
#: Keys of a label in a member's JSON, the first that is there.
_KEYS = ('label', 'cls', 'class')
#: A label of more bytes is none. Chosen here.
MOST_LABEL = 1 << 20


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

    def classes(self, root: str | Path = '') -> tuple[list[str], np.ndarray]:
        """Class names, sorted, and each picture's class, ``(n,)`` int32.

        Of the members ``.cls``, else of ``.json`` with a label, else of the
        first folder of the pictures' names.

        Args:
            root: Not used: shards know their folder.

        Raises:
            ValueError: If a picture has no label, or one that is none.
        """
        kind = self._labelled_by()
        if not kind:
            return super().classes(root)
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

    def is_labelled(self) -> bool:
        """Whether all pictures have a class.

        By the kinds of members beside them, of which the first is read (-1
        is none), else by their folders.
        """
        if self._labelled_by():
            return bool(self.label_kinds.all()) and not _is_below_zero(
                self._written_label(0)
            )
        folders = {Listing.class_of(self, row) for row in range(len(self))}
        return bool(folders) and None not in folders

    def _labelled_by(self) -> int:
        """The kind of the members that labels are read from; 0 for none."""
        if (self.label_kinds == LABELS[b'cls']).any():
            return LABELS[b'cls']
        rows = np.flatnonzero(self.label_kinds)
        if len(rows) and label_in_json(self._content(rows[0])) is not None:
            return LABELS[b'json']
        return 0

    def _shard(self, row: int) -> str:
        return os.path.join(self.root, self.folders[self.shard[row]])

    def _name(self, row: int) -> str:
        return f'{printable(self._shard(row))}: {printable(self[int(row)])}'

    def _content(self, row: int) -> bytes:
        size = int(self.label_sizes[row])
        if size > MOST_LABEL:
            raise ValueError(
                f'{self._name(row)}: its label has {size} bytes: none is as '
                'long, write a number or a name'
            )
        return self._label_bytes(row, size)

    def _label_bytes(self, row: int, size: int) -> bytes:
        shard, place = self._shard(row), int(self.label_offsets[row])
        return read_at(shard, place, size)

    def _written_label(self, row: int) -> int | str | None:
        """What lies beside a picture, whatever it is."""
        content = self._content(row)
        if self.label_kinds[row] == LABELS[b'json']:
            return label_in_json(content)
        label = content.strip().decode(errors='surrogateescape')
        return int(label) if label.removeprefix('-').isdecimal() else label

    def _label(self, row: int) -> int | str:
        """The label that lies beside a picture.

        Raises:
            ValueError: If it is none.
        """
        label = self._written_label(row)
        if label in (None, '') or _is_below_zero(label):
            content = self._content(row)
            raise ValueError(
                f'{self._name(row)}: its label is {printable(content[:40])}: '
                f'write a number from 0 or a name into its .cls, or as '
                f'{" or ".join(_KEYS)} into its .json'
            )
        return label  # type: ignore[return-value]

    def _class_names(self, present: list[int]) -> list[str]:
        text, path = self._classes_file()
        if text is None:
            return [str(number) for number in present]
        try:
            names = json.loads(text)
            return [str(names[number]) for number in present]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f'{printable(path)} names no {present[-1] + 1} classes '
                f'({error}): write a list of them, or remove it'
            ) from None

    def _classes_file(self) -> tuple[bytes | None, str]:
        """What it has, None if there is none; and where it is."""
        path = Path(self.root, CLASSES_FILE)
        return path.read_bytes() if path.is_file() else None, str(path)


def label_in_json(content: bytes) -> int | str | None:
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


def _is_below_zero(label: int | str | None) -> bool:
    """Whether it is a number that stands for no class, as -1 does."""
    return isinstance(label, int) and label < 0
