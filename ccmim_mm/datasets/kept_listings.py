"""Listings of folders, kept outside of these."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_atomic
from .remote.urls import is_remote
from .tars.listing import TarListing
from .tars.remote_listing import RemoteListing
from .walk import Listing, join

# What a listing of tars has beside that of a folder.
_OF_TARS = (
    *('shard', 'offsets', 'sizes'),
    *('label_kinds', 'label_offsets', 'label_sizes'),
)
# And one of tars on the network.
_OF_REMOTE = ('shard_sizes', 'label_texts', 'label_ends')


def cache_file(root: str | Path, cache_dir: str | None) -> Path:
    """Where the listing of a folder is kept.

    Args:
        root: The folder, or a URL.
        cache_dir: See :func:`ccmim_mm.datasets.listing.list_pictures`.
    """
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(cache_dir or Path(home, 'ccmim_mm', 'listings'))
    where = str(root) if is_remote(root) else Path(root).resolve()
    key = hashlib.sha256(os.fsencode(where)).hexdigest()
    return folder / f'{key[:24]}.npz'


def load(cache: Path, root: str | Path = '') -> Listing | None:
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


def save(cache: Path, listing: Listing) -> None:
    """Keep a listing whole or not at all; failing to is no failure."""
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
