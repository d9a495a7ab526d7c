"""What is in a tar and where, from its headers alone.

Nothing is unpacked and no member's content read. Formats: POSIX.1-1988
(ustar), POSIX.1-2001 (PAX) and GNU's long names and base-256 numbers.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...files import printable
from ..walk import join
from .headers import FIX, DamageError, Scan


class TarIndex(NamedTuple):
    """Members of a tar that are plain files, in the order that they lie in.

    Attributes:
        names: Their names, one after the other, uint8.
        ends: ``(n,)`` int64, where each ends in ``names``.
        offsets: ``(n,)`` int64, of the contents in the file, in bytes.
        sizes: ``(n,)`` int64, of the contents, in bytes.
        left_out: What is left out -> how many, and the first one's name.
        cut_off: Whether the file ends within a member, which is left out.
    """

    names: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    left_out: dict[str, tuple[int, str]]
    cut_off: bool


def index_tar(path: str | Path) -> TarIndex:
    """List a tar by its headers, whose checksums are checked.

    Chosen here: a tar that is damaged is refused, as all behind the damage is
    lost. One that ends too early is no damage but a copy that was broken off:
    what is whole is listed. Folders and hidden files are passed over in
    silence, as in a folder of pictures; links, sparse files, devices and
    names that cannot be (empty, absolute, with ``..`` or NUL) are counted.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no tar, compressed or damaged.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return index_open_tar(descriptor, printable(path))
    finally:
        os.close(descriptor)


def index_open_tar(descriptor: int, name: str) -> TarIndex:
    """As :func:`index_tar`, of a file that is open.

    Args:
        descriptor: The file.
        name: What errors call it.
    """
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(f'{name} is no regular file; {FIX}')
    scan = Scan(descriptor, state.st_size)
    try:
        scan.run()
    except DamageError as error:
        raise ValueError(f'{name}: {error}') from None
    return TarIndex(
        *join(scan.names),
        np.array(scan.offsets, np.int64),
        np.array(scan.sizes, np.int64),
        scan.left_out,
        scan.cut_off,
    )
