"""Listing a folder of pictures: fast, small in memory, cached, checked."""

import hashlib
import io
import logging
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import dist
from mmengine.logging import print_log

from ..files import printable, write_atomic
from .remote.urls import is_remote
from .tars.listing import TarListing
from .tars.remote_listing import RemoteListing, list_remote
from .tars.scan import scan_shards, shards_in
from .walk import ARRAYS, SUFFIXES, Listing, join, scan, stamp

# A folder's time stamp says when it last gained or lost an entry, but it is
# coarse: a folder that changed this recently (s) may change unnoticed again.
_SETTLED = 2.0
# What a listing of tars has beside that of a folder.
_OF_TARS = (
    *('shard', 'offsets', 'sizes'),
    *('label_kinds', 'label_offsets', 'label_sizes'),
)
# And one of tars on the network.
_OF_REMOTE = ('shard_sizes', 'label_texts', 'label_ends')


def list_pictures(root: str | Path, cache_dir: str | None = None) -> Listing:
    """List every picture below a folder, or in the tars that it holds.

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
        OSError: If a folder or a tar cannot be read.
        ValueError: If a tar is damaged, see :func:`scan_shards`.
    """
    result: list = [None]
    if dist.is_main_process():
        try:
            result[0] = _list_cached(root, _cache_file(root, cache_dir))
        except (OSError, ValueError, ImportError) as error:
            # Hand it over, or the other ranks would wait forever.
            result[0] = error
    dist.broadcast_object_list(result)
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def _list_cached(root: str | Path, cache: Path) -> Listing:
    """The cached listing if it still holds, else a fresh one."""
    if is_remote(root):
        known = _load(cache)
        listing: Listing = list_remote(str(root), known)
        if listing is not known:
            _save(cache, listing)
    else:
        listing = _list_local(Path(root), cache)
    for sentence in listing.left_out:
        text = f'{printable(root)}: {sentence}'
        print_log(text, 'current', logging.WARNING)
    if not len(listing):
        shards = isinstance(listing, TarListing)
        raise FileNotFoundError(
            f'no pictures below {printable(root)}'
            f'{", in its shards" if shards else ""}: looked for '
            f'{", ".join(SUFFIXES + ARRAYS)}, in any case, at any depth, '
            'hidden files aside'
            f'{_tars_beside(root) if not shards else ""}'
        )
    return listing


def _list_local(root: Path, cache: Path) -> Listing:
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {printable(root)}: give --data the folder of your '
            'pictures'
        )
    shards = shards_in(root)
    listing = _load(cache, root)
    if (
        not listing
        or isinstance(listing, TarListing) != bool(shards)
        or not _is_current(root, listing)
    ):
        listing = scan_shards(root, shards) if shards else scan(root)
        newest = listing.stamps[:, :2].max() * 1e-9
        if time.time() - newest > _SETTLED:
            _save(cache, listing)
    return listing


def _is_current(root: Path, listing: Listing) -> bool:
    """Whether no folder of the listing has changed since."""
    try:
        stamps = [stamp(os.stat(root / f)) for f in listing.folders]
    except OSError:
        return False
    return bool(np.array_equal(stamps, listing.stamps))


def _cache_file(root: str | Path, cache_dir: str | None) -> Path:
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(cache_dir or Path(home, 'ccmim_mm', 'listings'))
    where = str(root) if is_remote(root) else Path(root).resolve()
    key = hashlib.sha256(os.fsencode(where)).hexdigest()
    return folder / f'{key[:24]}.npz'


def _load(cache: Path, root: str | Path = '') -> Listing | None:
    """Read a cached listing; None if there is none that can be used."""
    try:
        with np.load(cache, allow_pickle=False) as data:
            parts = (
                data['names'],
                data['ends'],
                _split(data['folders'], data['folder_ends']),
                data['stamps'],
                data['left_out'].tolist(),
            )
            listing = Listing(*parts)
            if _OF_TARS[0] in data:
                tars = _tars(data, parts, root)
                if tars is None:
                    return None
                listing = tars
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


def _tars(data: Any, parts: tuple, root: str | Path) -> TarListing | None:
    """A cached listing of tars; None if its columns do not fit.

    Args:
        data: The cached arrays.
        parts: What any listing has.
        root: The folder; a URL's is in the cache.
    """
    remote = _OF_REMOTE[0] in data
    columns = (*_OF_TARS, 'label_ends') if remote else _OF_TARS
    places = {name: data[name] for name in columns}
    if {len(column) for column in places.values()} != {len(parts[1])}:
        return None
    if not remote:
        return TarListing(*parts, root=os.path.abspath(root), **places)
    places |= {name: data[name] for name in _OF_REMOTE}
    versions, where = data['versions'].tolist(), str(data['root'])
    return RemoteListing(*parts, root=where, versions=versions, **places)


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


def _save(cache: Path, listing: Listing) -> None:
    """Write the cache whole or not at all; failing to is no failure."""
    folders, folder_ends = join([os.fsencode(f) for f in listing.folders])
    content = io.BytesIO()
    tars = isinstance(listing, TarListing)
    places = {n: getattr(listing, n) for n in _OF_TARS} if tars else {}
    if isinstance(listing, RemoteListing):
        places |= {n: getattr(listing, n) for n in _OF_REMOTE}
        places |= dict(
            root=np.str_(listing.root),
            versions=np.array(listing.versions, np.str_),
        )
    np.savez(
        content,
        names=listing.names,
        ends=listing.ends,
        folders=folders,
        folder_ends=folder_ends,
        stamps=listing.stamps,
        left_out=np.array(listing.left_out, np.str_),
        **places,
    )
    try:
        write_atomic(content.getvalue(), cache)
    except OSError:
        return


def _tars_beside(root: str | Path) -> str:
    """That tars lie there, if some do, and why they are not read."""
    tars = [*Path(root).glob('*.tar')]
    if not tars:
        return ''
    return (
        f'; the {len(tars)} *.tar there are read if they lie without folders '
        'and pictures beside them'
    )
