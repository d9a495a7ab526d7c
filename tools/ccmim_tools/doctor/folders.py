"""Where runs and their helpers write."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .finding import Finding

#: Less shared memory than a few batches of pictures, in bytes.
LEAST_SHARED = 1 << 30


def check_folders() -> Iterator[Finding]:
    """Caches, temporary files, this folder and shared memory."""
    home = Path.home()
    cache = Path(os.environ.get('XDG_CACHE_HOME') or home / '.cache')
    plots = os.environ.get('MPLCONFIGDIR') or home / '.config'
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield Finding('broken', str(error), 'TMPDIR=DIR')
        return
    folders = (
        ('cache', cache, 'XDG_CACHE_HOME=DIR'),
        ("matplotlib's cache", Path(plots), 'MPLCONFIGDIR=DIR'),
        ('temporary files', temporary, 'TMPDIR=DIR'),
        ('this folder', Path.cwd(), 'work elsewhere, or give --work-dir'),
    )
    for name, folder, cure in folders:
        if is_writable(folder):
            yield Finding('ok', f'{name}: {folder} can be written')
        else:
            text = f'{name}: {folder} cannot be written'
            yield Finding('note', text, cure)
    shared = Path('/dev/shm')
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        if free < LEAST_SHARED:
            yield Finding(
                'note',
                f'{free >> 20} MiB of shared memory, through which loading '
                'processes hand pictures over',
                'docker run --shm-size=8g, or no such processes',
            )


def is_writable(folder: Path) -> bool:
    """Whether a file can be made there, or in the folder that will hold it."""
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'x')
    except OSError:
        return False
    return True
