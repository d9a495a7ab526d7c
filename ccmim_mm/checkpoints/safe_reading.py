"""Reading files of tensors without running what is in them."""

import json
import os
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from .content import check_content
from .scan import PickleError, check_pickles, starts_as_archive

_TRUST = (
    'if you trust whoever made it, --trust-checkpoint reads it as Python '
    'pickles, which may run any code'
)


def read_safely(
    path: str | Path,
    map_location: str | torch.device = 'cpu',
    stand_ins: Sequence[Callable | tuple[Callable, str]] = (),
    trust: bool = False,
) -> Any:
    """Read a file that ``torch.save`` wrote, whole and harmless.

    Args:
        path: The file.
        map_location: Where its tensors go.
        stand_ins: What to build in place of globals that it may ask for.
        trust: Let the file run code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, declares more than it holds, is not of
            plain tensors, nested too deeply or without end, or asks for
            more than tensors, numbers, strings and containers; naming what
            it asks for.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no checkpoint {path}')
    check_archive(path)
    try:
        if not trust:
            check_pickles(path)
        with torch.serialization.safe_globals(list(stand_ins)):
            data = torch.load(
                path, map_location=map_location, weights_only=not trust
            )
    except PickleError as error:
        raise ValueError(f'{path} is refused or broken: {error}') from None
    # Broken files make the reader raise nearly anything.
    except Exception as error:
        first_line = str(error).partition('\n')[0]
        reason = f'{type(error).__name__}: {first_line}'
        if asked := _asked_for(str(error)):
            raise ValueError(
                f'{path} is refused, it asks for {asked}: {_TRUST}'
            ) from error
        raise ValueError(f'{path} is refused or broken: {reason}') from error
    try:
        check_content(data, os.path.getsize(path))
    except ValueError as error:
        raise ValueError(f'{path} is refused: {error}') from None
    return data


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors of a file of safetensors, which has nothing but them and text.

    Returns:
        Tensors by name, and what the text tells, as ``meta``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no checkpoint {path}')
    try:
        tensors = load_file(path)
        with safe_open(path, 'pt') as file:
            told = json.loads((file.metadata() or {}).get('heads', 'null'))
        check_content(tensors, os.path.getsize(path))
    # Broken files make the reader raise nearly anything.
    except Exception as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(f'{path} is refused or broken: {reason}') from error
    return tensors, dict(heads=told)


def check_archive(path: str | Path) -> None:
    """Check that a file is whole, by the checksums that torch writes.

    Files of torch before 1.6 are no archives and have none.

    Raises:
        ValueError: If it is truncated or changed, declares more than it
            holds, or names files outside of it.
    """
    if not Path(path).stat().st_size:
        raise ValueError(f'{path} is broken: it is empty')
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive.infolist())
            changed = archive.testzip()
    except (
        *(zipfile.BadZipFile, EOFError, OSError, struct.error),
        # Of entries that are encrypted, or have no readable name.
        *(RuntimeError, UnicodeDecodeError),
    ) as error:
        if starts_as_archive(path):
            raise ValueError(f'{path} is broken: {error}') from None
        return
    if changed:
        raise ValueError(f'{path} is broken: the checksum of {changed} fails')


def _check_entries(path: str | Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse what torch, reading the same archive, might read otherwise."""
    for entry in entries:
        place = PurePosixPath(entry.filename.replace('\\', '/'))
        if place.is_absolute() or '..' in place.parts:
            raise ValueError(
                f'{path} is refused: it names the file {entry.filename!r:.99}'
            )
    declared = sum(entry.file_size for entry in entries)
    stored = all(e.compress_type == 0 for e in entries)
    if not stored or declared > os.path.getsize(path):
        raise ValueError(
            f'{path} is refused: it declares {declared} bytes and holds fewer'
        )
    # With something in front, readers disagree about where entries begin.
    if all(entry.header_offset for entry in entries):
        raise ValueError(
            f'{path} is refused: it does not begin with its first entry'
        )


@CheckpointLoader.register_scheme(
    # Prefixes are patterns there.
    r'(?!.*://).*\.safetensors$',
    force=True,
)
def load_from_safetensors(
    path: str, map_location: Any = None
) -> dict[str, Tensor]:
    """Read for ``init_cfg`` what mmengine, of any runner, has no reader for.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken.
    """
    return read_safetensors(path)[0]


@contextmanager
def safe_init_cfg(trust: bool = False) -> Iterator[None]:
    """Let ``init_cfg=dict(type='Pretrained', ...)`` read this way, meanwhile.

    mmengine's own reader falls back to running code where a file asks for
    it. Its table of readers is put back afterwards.

    Args:
        trust: Let files run code.
    """

    def read(filename: str, map_location: Any = 'cpu') -> Any:
        path = local_file(filename)
        if path.endswith('.safetensors'):
            return read_safetensors(path)[0]
        return read_safely(path, map_location or 'cpu', trust=trust)

    before = dict(CheckpointLoader._schemes)
    try:
        for prefix in before:
            CheckpointLoader.register_scheme(prefix, read, force=True)
        yield
    finally:
        for prefix, reader in before.items():
            CheckpointLoader.register_scheme(prefix, reader, force=True)


def local_file(place: str) -> str:
    """A file here: the one that is named, or a copy of it over https.

    Raises:
        ValueError: For any other place.
    """
    if '://' not in place:
        return place
    if not place.startswith('https://'):
        raise ValueError(
            f'{place} is refused: checkpoints are read from files and over '
            'https; download it and give its path'
        )
    folder = Path(torch.hub.get_dir(), 'checkpoints')
    folder.mkdir(parents=True, exist_ok=True)
    cached = folder / Path(place).name
    if not cached.is_file():
        torch.hub.download_url_to_file(place, str(cached))
    return str(cached)


def _asked_for(message: str) -> str | None:
    """The global that torch's refusal names, with its module."""
    blocked = re.search(r'GLOBAL (\S+) whose module (\S+)', message)
    if blocked:
        return f'{blocked[2]}.{blocked[1]}'
    asked = re.search(r'(?:GLOBAL|Unsupported \w+) ([\w.]+)', message)
    return asked and asked[1]
