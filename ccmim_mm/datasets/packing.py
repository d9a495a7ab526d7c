"""Packing a folder of pictures into tar shards."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..files import check_output, printable, staged
from .layouts import split_folder
from .listing import list_pictures
from .tars.listing import CLASSES_FILE
from .transforms.loading import read_file
from .walk import Listing, kind_of_entry


class Packed(NamedTuple):
    """What was packed.

    Attributes:
        pictures: How many.
        shards: Into how many.
        size: Bytes of all shards.
        left_out: What could not be read, ``PATH: REASON``.
        beside: Names of folders (with a slash) and pictures beside the splits,
            which are left out too.
    """

    pictures: int
    shards: int
    size: int
    left_out: list[str]
    beside: list[str]


def pack(
    data: str | Path, out: str | Path, shard_size: int, seed: int = 0
) -> Packed:
    """Write a folder's pictures into shards, in a shuffled order.

    ``train/`` and ``val/``, where the folder has them, by these or by other
    names of splits, get shards each, in folders called so. Names stay as they
    are in the folder (of the split); where all pictures lie in class folders,
    a ``.cls`` beside each has the class's number, and ``classes.json`` the
    names. The same pictures and seed give the same bytes. The output appears
    when it is complete.

    Args:
        data: The folder; one of shards is packed anew.
        out: The folder to make.
        shard_size: Bytes after which the next shard is begun, at least 1.
        seed: Of the order, at least 0.

    Raises:
        FileExistsError: If ``out`` exists, or lies in or around ``data``.
        FileNotFoundError: If there are no pictures.
        OSError: If it cannot be written.
        ValueError: If an argument is out of range.
    """
    if shard_size < 1 or seed < 0:
        raise ValueError(
            f'shard_size={shard_size}, seed={seed}: give 1 and 0 or more'
        )
    data, out = Path(data), Path(out)
    check_output(out, data)
    splits, beside = _splits(data)
    listings = [list_pictures(folder) for folder in splits.values()]
    with staged(out) as part:
        packed = [
            _pack_split(folder, listing, part / split, shard_size, seed)
            for (split, folder), listing in zip(
                splits.items(), listings, strict=True
            )
        ]
    return Packed(
        sum(split.pictures for split in packed),
        sum(split.shards for split in packed),
        sum(split.size for split in packed),
        [failure for split in packed for failure in split.left_out],
        beside,
    )


def _splits(data: Path) -> tuple[dict[str, Path], list[str]]:
    """Folders to pack by what to call them, and names of those beside."""
    train = split_folder(data, 'train')
    if train is None:
        # The folder is all that there is.
        return {'': data}, []
    splits = dict(train=train)
    if (val := split_folder(data, 'val')) is not None:
        splits['val'] = val
    taken = {folder.name for folder in splits.values()}
    ends = {'folder': '/', 'picture': ''}
    with os.scandir(data) as entries:
        beside = [
            entry.name + ends[kind]
            for entry in entries
            if entry.name not in taken
            and (kind := kind_of_entry(entry)) in ends
        ]
    # Folders first.
    return splits, sorted(beside, key=lambda name: (name[-1] != '/', name))


def _pack_split(
    root: Path, listing: Listing, out: Path, shard_size: int, seed: int
) -> Packed:
    out.mkdir(exist_ok=True)
    try:
        classes, labels = listing.classes()
    except ValueError:
        # Not all have one.
        classes, labels = [], None
    if classes:
        text = json.dumps(classes, indent=0)
        (out / CLASSES_FILE).write_text(f'{text}\n', 'utf-8')
    left_out: list[str] = []
    order = np.random.default_rng(seed).permutation(len(listing)).tolist()
    shards = _Shards(out, shard_size)
    try:
        for row in order:
            path = listing.path(root, row)
            try:
                content = read_file(path)
            except OSError as error:
                left_out.append(printable(f'{path}: {error}'))
                continue
            label = None if labels is None else int(labels[row])
            shards.add(listing[row], content, label)
    finally:
        shards.close()
    pictures = len(listing) - len(left_out)
    if not pictures:
        raise FileNotFoundError(
            f'none of {len(listing)} pictures could be read, first '
            f'{left_out[0]}'
        )
    sizes = [file.stat().st_size for file in out.glob('*.tar')]
    return Packed(pictures, len(sizes), sum(sizes), left_out, [])


class _Shards:
    """Shards that are written one after the other.

    Args:
        folder: Where.
        shard_size: See :func:`pack`.
    """

    def __init__(self, folder: Path, shard_size: int) -> None:
        self.folder, self.shard_size = folder, shard_size
        self.count = 0
        self.file: io.BufferedWriter | None = None
        self.tar: tarfile.TarFile
        self.labelled: set[str] = set()

    def add(self, name: str, content: bytes, label: int | None) -> None:
        """Write a picture, and its label beside it."""
        if self.file is not None and self.file.tell() >= self.shard_size:
            self.close()
        if self.file is None:
            self._open()
        for member, data in self._members(name, content, label):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            self.tar.addfile(entry, io.BytesIO(data))

    def _members(
        self, name: str, content: bytes, label: int | None
    ) -> Iterator[tuple[str, bytes]]:
        yield name, content
        stem = os.path.splitext(name)[0]
        # Pictures that differ by their suffix alone share it.
        if label is not None and stem not in self.labelled:
            self.labelled.add(stem)
            yield f'{stem}.cls', str(label).encode()

    def _open(self) -> None:
        path = self.folder / f'shard-{self.count:05d}.tar'
        self.file = path.open('xb')
        self.count += 1
        self.labelled.clear()
        self.tar = tarfile.open(  # noqa: SIM115
            fileobj=self.file,
            mode='w',
            format=tarfile.PAX_FORMAT,
            encoding='utf-8',
            errors='surrogateescape',
        )

    def close(self) -> None:
        """End the shard that is being written."""
        file, self.file = self.file, None
        if file is not None:
            with file:
                self.tar.close()
                file.flush()
                os.fsync(file.fileno())
