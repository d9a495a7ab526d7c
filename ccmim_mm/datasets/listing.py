"""Listing a folder of pictures: fast, small in memory, cached, checked."""

import hashlib
import io
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine import dist

from ..files import write_atomic

#: File name endings that are taken for pictures, lower case.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')

# A folder's time stamp says when it last gained or lost an entry, but it is
# coarse: a folder that changed this recently (s) may change unnoticed again.
_SETTLED = 2.0


@dataclass
class Listing:
    """Relative paths of pictures, sorted, in one byte string.

    Attributes:
        names: The paths in UTF-8, one after the other, uint8.
        ends: ``(n,)`` int64, where each path ends in ``names``.
        folders: Every folder below the root, relative, sorted.
        stamps: ``(len(folders),)`` int64, when each last changed, in ns.
    """

    names: np.ndarray
    ends: np.ndarray
    folders: list[str]
    stamps: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        """Relative path of picture ``index``, in ``[0, len)``."""
        start = self.ends[index - 1] if index else 0
        return os.fsdecode(self.names[start : self.ends[index]].tobytes())

    def classes(self) -> tuple[list[str], np.ndarray]:
        """Class names, sorted, and each picture's class, ``(n,)`` int32.

        Raises:
            ValueError: If a picture lies in no class folder.
        """
        firsts = [self[i].partition(os.sep)[::2] for i in range(len(self))]
        flat = next((name for name, rest in firsts if not rest), None)
        if flat is not None:
            raise ValueError(
                f'labels need one folder a class, but {flat} lies in none'
            )
        classes, labels = np.unique(
            [first for first, _ in firsts], return_inverse=True
        )
        return classes.tolist(), labels.astype(np.int32)


def list_pictures(root: str | Path, cache_dir: str | None = None) -> Listing:
    """List every picture below a folder.

    The list is cached outside the data folder and reused for as long as no
    folder below the root has gained or lost an entry. In a distributed job
    rank 0 lists and hands the result to the others, so that all agree.

    Args:
        root: The folder.
        cache_dir: Where to cache; None means ``ccmim_mm`` in the user's
            cache folder (``$XDG_CACHE_HOME``, else ``~/.cache``).

    Raises:
        FileNotFoundError: If the folder is missing or has no pictures.
    """
    result: list = [None]
    if dist.is_main_process():
        try:
            result[0] = _list_cached(Path(root), _cache_file(root, cache_dir))
        except FileNotFoundError as error:
            # Hand it over, or the other ranks would wait forever.
            result[0] = error
    dist.broadcast_object_list(result)
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def _list_cached(root: Path, cache: Path) -> Listing:
    """The cached listing if it still holds, else a fresh one."""
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {root}: give --data the folder of your pictures'
        )
    listing = _load(cache)
    if listing is None or not _is_current(root, listing):
        listing = scan(root)
        newest = listing.stamps.max() * 1e-9
        if time.time() - newest > _SETTLED:
            _save(cache, listing)
    if not len(listing):
        raise FileNotFoundError(
            f'no pictures below {root}: looked for {", ".join(SUFFIXES)}, '
            'in any case, at any depth, hidden files aside'
        )
    return listing


def scan(root: Path) -> Listing:
    """Walk a folder, following links but entering no folder twice."""
    paths: list[bytes] = []
    folders: dict[str, int] = {}
    seen: set[tuple[int, int]] = set()
    todo = ['']
    while todo:
        folder = todo.pop()
        state = os.stat(root / folder)
        if (state.st_dev, state.st_ino) in seen:
            continue
        seen.add((state.st_dev, state.st_ino))
        folders[folder] = state.st_mtime_ns
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith('.'):
                    continue
                path = os.path.join(folder, entry.name)
                if entry.is_dir():
                    todo.append(path)
                elif entry.name.lower().endswith(SUFFIXES):
                    paths.append(os.fsencode(path))
    paths.sort()
    ends = np.cumsum([len(path) for path in paths], dtype=np.int64)
    names = np.frombuffer(b''.join(paths), np.uint8)
    order = sorted(folders)
    stamps = np.array([folders[f] for f in order], np.int64)
    return Listing(names, ends, order, stamps)


def _is_current(root: Path, listing: Listing) -> bool:
    """Whether no folder of the listing has changed since."""
    try:
        stamps = [os.stat(root / f).st_mtime_ns for f in listing.folders]
    except OSError:
        return False
    return bool(np.array_equal(stamps, listing.stamps))


def _cache_file(root: str | Path, cache_dir: str | None) -> Path:
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(cache_dir or Path(home, 'ccmim_mm', 'listings'))
    key = hashlib.sha256(os.fsencode(Path(root).resolve())).hexdigest()
    return folder / f'{key[:24]}.npz'


def _load(cache: Path) -> Listing | None:
    """Read a cached listing; None if there is none that can be used."""
    try:
        with np.load(cache, allow_pickle=False) as data:
            folders = _split(data['folders'], data['folder_ends'])
            return Listing(
                data['names'], data['ends'], folders, data['stamps']
            )
    # A cache is disposable, whatever is wrong with it.
    except Exception:
        return None


def _split(names: np.ndarray, ends: np.ndarray) -> list[str]:
    listing = Listing(names, ends, [], ends)
    return [listing[i] for i in range(len(ends))]


def _join(strings: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    parts = [os.fsencode(s) for s in strings]
    ends = np.cumsum([len(p) for p in parts], dtype=np.int64)
    return np.frombuffer(b''.join(parts), np.uint8), ends


def _save(cache: Path, listing: Listing) -> None:
    """Write the cache whole or not at all; failing to is no failure."""
    folders, folder_ends = _join(listing.folders)
    content = io.BytesIO()
    np.savez(
        content,
        names=listing.names,
        ends=listing.ends,
        folders=folders,
        folder_ends=folder_ends,
        stamps=listing.stamps,
    )
    try:
        write_atomic(content.getvalue(), cache)
    except OSError:
        return
