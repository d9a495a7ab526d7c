"""Listing a folder of pictures: fast, small in memory, cached, checked."""

import hashlib
import heapq
import io
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from mmengine import dist
from mmengine.logging import print_log

from ..files import printable, write_atomic

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

    def classes(self) -> tuple[list[str], np.ndarray]:
        """Class names, sorted, and each picture's class, ``(n,)`` int32.

        Raises:
            ValueError: If a picture lies in no class folder.
        """
        firsts = [self[i].partition(os.sep)[::2] for i in range(len(self))]
        flat = next((name for name, rest in firsts if not rest), None)
        if flat is not None:
            raise ValueError(
                'labels need one folder a class, but '
                f'{printable(flat)} lies in none'
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
    Pipes, devices and other things with a picture's name that are no files
    are left out, as are links to folders that are listed already; the log
    says so.

    Args:
        root: The folder.
        cache_dir: Where to cache; None means ``ccmim_mm`` in the user's
            cache folder (``$XDG_CACHE_HOME``, else ``~/.cache``).

    Raises:
        FileNotFoundError: If the folder is missing or has no pictures.
        OSError: If a folder cannot be read.
    """
    result: list = [None]
    if dist.is_main_process():
        try:
            result[0] = _list_cached(Path(root), _cache_file(root, cache_dir))
        except OSError as error:
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
            f'no folder {printable(root)}: give --data the folder of your '
            'pictures'
        )
    listing = _load(cache)
    if listing is None or not _is_current(root, listing):
        listing = scan(root)
        newest = listing.stamps[:, :2].max() * 1e-9
        if time.time() - newest > _SETTLED:
            _save(cache, listing)
    for sentence in listing.left_out:
        text = f'{printable(root)}: {sentence}'
        print_log(text, 'current', logging.WARNING)
    if not len(listing):
        raise FileNotFoundError(
            f'no pictures below {printable(root)}: looked for '
            f'{", ".join(SUFFIXES)}, in any case, at any depth, hidden files '
            'aside'
        )
    return listing


def scan(root: Path) -> Listing:
    """Walk a folder, following links but entering no folder twice.

    A folder keeps its own name, whatever links lead to it: links are
    followed last, in the order of their names, so that the outcome does not
    depend on the file system.
    """
    paths: list[bytes] = []
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
        folders[folder] = _stamp(state)
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
            if kind != 'picture' and _is_named_picture(entry):
                no_files.append(path)
    paths.sort()
    names, ends = _join(paths)
    order = sorted(folders)
    stamps = np.array([folders[f] for f in order], np.int64)
    return Listing(names, ends, order, stamps, _sentences(no_files, again))


def kind_of_entry(
    entry: os.DirEntry,
) -> Literal['folder', 'picture', 'no file'] | None:
    """What an entry of a data folder is; None for what is not looked at.

    ``'no file'`` is what has a picture's name and cannot be one: a pipe, a
    device, a socket. A link that leads nowhere counts as a picture: it is
    one that is missing.
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
        return None
    return 'picture' if lost or entry.is_file() else 'no file'


def _is_named_picture(entry: os.DirEntry) -> bool:
    name = entry.name
    return name[0] != '.' and name.lower().endswith(SUFFIXES)


def _sentences(no_files: list[str], again: list[str]) -> list[str]:
    return [
        f'left out {len(paths)} {what}, first {printable(min(paths))}'
        for what, paths in (
            ("with a picture's name that are no files", no_files),
            ('folders that are listed under another name', again),
        )
        if paths
    ]


def _stamp(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def _is_current(root: Path, listing: Listing) -> bool:
    """Whether no folder of the listing has changed since."""
    try:
        stamps = [_stamp(os.stat(root / f)) for f in listing.folders]
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
            listing = Listing(
                data['names'],
                data['ends'],
                _split(data['folders'], data['folder_ends']),
                data['stamps'],
                data['left_out'].tolist(),
            )
            stays = all(
                _stays_inside(data[names], data[ends])
                for names, ends in (
                    ('names', 'ends'),
                    ('folders', 'folder_ends'),
                )
            )
    # A cache is disposable, whatever is wrong with it.
    except Exception:
        return None
    return listing if stays else None


def _stays_inside(names: np.ndarray, ends: np.ndarray) -> bool:
    """Whether relative paths have no ``..`` and none is absolute.

    Hidden names are never listed, so no part of a path begins with a dot.
    """
    if not len(ends):
        return not len(names)
    starts = np.concatenate([[0], ends[:-1]])
    # The root's own name is empty.
    firsts = names[starts[ends > starts]]
    return bool(
        ends[-1] == len(names)
        and (ends >= starts).all()
        and not np.isin(firsts, [ord('.'), ord('/')]).any()
        and b'/.' not in names.tobytes()
    )


def _split(names: np.ndarray, ends: np.ndarray) -> list[str]:
    listing = Listing(names, ends, [], ends)
    return [listing[i] for i in range(len(ends))]


def _join(parts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum([len(p) for p in parts], dtype=np.int64)
    return np.frombuffer(b''.join(parts), np.uint8), ends


def _save(cache: Path, listing: Listing) -> None:
    """Write the cache whole or not at all; failing to is no failure."""
    folders, folder_ends = _join([os.fsencode(f) for f in listing.folders])
    content = io.BytesIO()
    np.savez(
        content,
        names=listing.names,
        ends=listing.ends,
        folders=folders,
        folder_ends=folder_ends,
        stamps=listing.stamps,
        left_out=np.array(listing.left_out, np.str_),
    )
    try:
        write_atomic(content.getvalue(), cache)
    except OSError:
        return
