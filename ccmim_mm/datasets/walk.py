"""What is in a folder of pictures, and what only looks like it."""

import functools
import heapq
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ..files import printable

#: File name endings that are taken for pictures, lower case.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')
#: Likewise in folders that have no others: beside pictures an array is
#: something else of theirs.
ARRAYS = ('.npy',)


@dataclass
class Listing:
    """Relative paths of pictures, sorted, in one byte string.

    Attributes:
        names: The paths in UTF-8, one after the other, uint8.
        ends: ``(n,)`` int64, where each path ends in ``names``.
        folders: Every folder below the root, relative, sorted.
        stamps: ``(len(folders), 3)`` int64: when each last changed by its
            own account (which ``tar`` and the like set) and by the file
            system's, in ns, and its inode.
        left_out: What is called like a picture or a folder and is left out:
            sentences for people.
    """

    names: np.ndarray
    ends: np.ndarray
    folders: list[str]
    stamps: np.ndarray
    left_out: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        """Relative path of picture ``index``, in ``[0, len)``."""
        start = self.ends[index - 1] if index else 0
        return os.fsdecode(self.names[start : self.ends[index]].tobytes())

    def classes(self, root: str | Path = '') -> tuple[list[str], np.ndarray]:
        """Class names, sorted, and each picture's class, ``(n,)`` int32.

        Args:
            root: The folder, for messages.

        Raises:
            ValueError: If a picture lies in no class folder.
        """
        firsts = [self[i].partition(os.sep)[::2] for i in range(len(self))]
        flat = [row for row, (_, rest) in enumerate(firsts) if not rest]
        if flat:
            raise ValueError(
                f'{printable(self.path(root, flat[0]))} lies in no class '
                f'folder ({len(flat)} such): labels need one folder a class: '
                'move it into one, or elsewhere'
            )
        return sorted_classes([first for first, _ in firsts])

    def class_of(self, index: int) -> str | None:
        """The class of picture ``index``; None if it lies in no folder."""
        first, slash, _ = self[index].partition(os.sep)
        return first if slash else None

    def path(self, root: str | Path, index: int) -> str:
        """What to open for picture ``index``, in ``[0, len)``."""
        return os.path.join(_plain(root), self[index])

    def physical(self) -> np.ndarray:
        """The pictures in the order that they may lie on the disk, ``(n,)``.

        Of files that is not known: the order of their names.
        """
        return np.arange(len(self))


@functools.lru_cache
def _plain(root: str | Path) -> str:
    """A folder as pathlib writes it, which for every picture is slow."""
    return '' if (text := str(Path(root))) == '.' else text


def sorted_classes(found: list[str]) -> tuple[list[str], np.ndarray]:
    """Names, each once and sorted, and which each is, ``(n,)`` int32."""
    classes, labels = np.unique(found, return_inverse=True)
    return classes.tolist(), labels.astype(np.int32)


def scan(root: Path) -> Listing:
    """Walk a folder, following links but entering no folder twice.

    A folder keeps its own name, whatever links lead to it: links are
    followed last, in the order of their names, so that the outcome does not
    depend on the file system.
    """
    paths: list[bytes] = []
    arrays: list[bytes] = []
    folders: dict[str, tuple[int, int, int]] = {}
    seen: set[tuple[int, int]] = set()
    todo, no_files, again = [''], list[str](), list[str]()
    links: list[str] = []
    while todo or links:
        folder = todo.pop() if todo else heapq.heappop(links)
        state = os.stat(root / folder)
        if (state.st_dev, state.st_ino) in seen:
            again.append(folder)
            continue
        seen.add((state.st_dev, state.st_ino))
        folders[folder] = stamp(state)
        with os.scandir(root / folder) as entries:
            found = sorted(entries, key=lambda e: e.name, reverse=True)
        for entry in found:
            path = os.path.join(folder, entry.name)
            kind = kind_of_entry(entry)
            if kind == 'folder' and entry.is_symlink():
                heapq.heappush(links, path)
            elif kind == 'folder':
                todo.append(path)
            elif kind == 'picture':
                paths.append(os.fsencode(path))
            elif kind == 'array':
                arrays.append(os.fsencode(path))
            if kind != 'picture' and _is_named_picture(entry):
                no_files.append(path)
    beside = arrays if paths else []
    paths = sorted(paths or arrays)
    names, ends = join(paths)
    order = sorted(folders)
    stamps = np.array([folders[f] for f in order], np.int64)
    left_out = _sentences(no_files, again, [os.fsdecode(p) for p in beside])
    return Listing(names, ends, order, stamps, left_out)


def kind_of_entry(
    entry: os.DirEntry,
) -> Literal['folder', 'picture', 'array', 'no file'] | None:
    """What an entry of a data folder is; None for what is not looked at.

    ``'array'`` counts where there are no pictures. ``'no file'`` is what has
    a picture's name and cannot be one: a pipe, a device, a socket. A link
    that leads nowhere counts as a picture: it is one that is missing.
    """
    if entry.name.startswith('.'):
        return None
    try:
        if entry.is_dir():
            return 'folder'
        lost = not entry.is_file() and not os.path.exists(entry)
    except OSError:
        # A link to itself, or into a folder that may not be read.
        lost = True
    if not _is_named_picture(entry):
        named = entry.name.lower().endswith(ARRAYS)
        return 'array' if named and not lost else None
    return 'picture' if lost or entry.is_file() else 'no file'


def _is_named_picture(entry: os.DirEntry) -> bool:
    name = entry.name
    return name[0] != '.' and name.lower().endswith(SUFFIXES)


def _sentences(
    no_files: list[str], again: list[str], beside: list[str]
) -> list[str]:
    return [
        f'left out {len(paths)} {what}, first {printable(min(paths))}'
        for what, paths in (
            ("with a picture's name that are no files", no_files),
            ('folders that are listed under another name', again),
            ('arrays, which lie beside pictures', beside),
        )
        if paths
    ]


def pictures_below(folder: str | Path) -> list[Path]:
    """The pictures that :func:`scan` finds, sorted by their paths' bytes.

    There are none where there is no folder.
    """
    if not Path(folder).is_dir():
        return []
    listing = scan(Path(folder))
    return [Path(folder, listing[row]) for row in range(len(listing))]


def stamp(state: os.stat_result) -> tuple[int, int, int]:
    """A row of :attr:`Listing.stamps`."""
    return state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def join(parts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Strings in one, and where each ends."""
    ends = np.cumsum([len(p) for p in parts], dtype=np.int64)
    return np.frombuffer(b''.join(parts), np.uint8), ends
