"""Listing a folder of pictures: fast, small in memory, cached, checked."""

import logging
import os
import time
from pathlib import Path

import numpy as np
from mmengine import dist
from mmengine.logging import print_log

from ..files import printable
from .kept_listings import cache_file, load, save
from .locked_files import one_first
from .remote.urls import is_remote
from .tars.listing import TarListing
from .tars.remote_listing import list_remote
from .tars.scan import scan_shards, shards_in
from .walk import ARRAYS, SUFFIXES, Listing, scan, stamp

# A folder's time stamp says when it last gained or lost an entry, but it is
# coarse: a folder that changed this recently (s) may change unnoticed again.
_SETTLED = 2.0


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
            result[0] = _list_cached(root, cache_file(root, cache_dir))
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
        listing = _list_remote(str(root), cache)
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


def _list_remote(root: str, cache: Path) -> Listing:
    with one_first(_turns(cache)):
        known = load(cache)
        listing = list_remote(root, known)
        if listing is not known:
            save(cache, listing)
    return listing


def _list_local(root: Path, cache: Path) -> Listing:
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {printable(root)}: give --data the folder of your '
            'pictures'
        )
    shards = shards_in(root)
    if (listing := _known(root, shards, cache)) is not None:
        return listing
    # Processes that start together: each would look through all.
    with one_first(_turns(cache)):
        listing = _known(root, shards, cache)
        if listing is None:
            listing = scan_shards(root, shards) if shards else scan(root)
            newest = listing.stamps[:, :2].max() * 1e-9
            if time.time() - newest > _SETTLED:
                save(cache, listing)
    return listing


def _known(root: Path, shards: list[str], cache: Path) -> Listing | None:
    """The cached listing if it still holds."""
    listing = load(cache, root)
    if (
        not listing
        or isinstance(listing, TarListing) != bool(shards)
        or not _is_current(root, listing)
    ):
        return None
    return listing


def _is_current(root: Path, listing: Listing) -> bool:
    """Whether no folder of the listing has changed since."""
    try:
        stamps = [stamp(os.stat(root / f)) for f in listing.folders]
    except OSError:
        return False
    return bool(np.array_equal(stamps, listing.stamps))


def _turns(cache: Path) -> Path:
    """The file whose lock says who looks through a folder."""
    return cache.with_suffix('.lock')


def _tars_beside(root: str | Path) -> str:
    """That tars lie there, if some do, and why they are not read."""
    tars = [*Path(root).glob('*.tar')]
    if not tars:
        return ''
    return (
        f'; the {len(tars)} *.tar there are read if they lie without folders '
        'and pictures beside them'
    )
