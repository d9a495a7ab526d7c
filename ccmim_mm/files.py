"""Files: complete or absent, never over another's, and how they are named."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from mmengine.fileio import LocalBackend, register_backend


def write_atomic(content: bytes, path: str | Path) -> None:
    """Write a file as :func:`open_atomic` does.

    Raises:
        OSError: If it cannot be written, a full disk for one; nothing of it
            is left then.
    """
    with open_atomic(path) as file:
        file.write(content)


@contextlib.contextmanager
def open_atomic(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write beside its place, moved there when it is complete.

    Whatever happens meanwhile, the path holds the old content or the new.

    Raises:
        OSError: If it cannot be written; nothing of it is left then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        prefix=f'.{path.name}.', suffix='.part', dir=path.parent
    )
    try:
        with os.fdopen(descriptor, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are their owner's alone.
        os.chmod(name, permitted(0o666))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder to write into, moved to its place when all went well.

    Args:
        out: Its place: a folder, which is not there or is empty.

    Raises:
        OSError: If it cannot be written, or something has come there
            meanwhile; nothing of it is left then.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    name = tempfile.mkdtemp(
        prefix=f'.{out.name}.', suffix='.part', dir=out.resolve().parent
    )
    try:
        yield Path(name)
        # mkdtemp's folders are their owner's alone.
        os.chmod(name, permitted(0o777))
        os.rename(name, out)
    except BaseException:
        shutil.rmtree(name, ignore_errors=True)
        raise


def remove_parts(folder: str | Path, names: Iterable[str]) -> None:
    """Remove what a process that was killed left of :func:`open_atomic`.

    Args:
        folder: Where it wrote.
        names: Of what it wrote, patterns as ``glob`` has them; what others
            may be writing there stays.
    """
    for name in names:
        # Eight characters are what mkstemp fills in.
        for path in Path(folder).glob(f'.{name}.????????.part'):
            if path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)


def check_output(
    path: str | Path, data: str | Path | None = None, file: bool = False
) -> None:
    """Refuse to write over what somebody has, or where nothing can be.

    Args:
        path: The file or folder that is to be written.
        data: The folder that is read from; None if there is none.
        file: It is a file, for which an empty folder is in the way, too.

    Raises:
        FileExistsError: If the path exists and is no empty folder, or is the
            data folder, lies in it or holds it.
        OSError: If its folder can neither be written nor made.
    """
    path = Path(path)
    if path.is_dir():
        taken = file or any(path.iterdir())
    else:
        # A link that leads nowhere is somebody's, too.
        taken = path.exists() or path.is_symlink()
    if taken:
        raise FileExistsError(
            f'{printable(path)} exists and is left untouched: name a new one'
        )
    if data is not None:
        new, old = path.resolve(), Path(data).resolve()
        if new == old or old in new.parents or new in old.parents:
            raise FileExistsError(
                f'{printable(path)} is, holds or lies in the data folder '
                f'{printable(data)}, which is left untouched: name another '
                'place'
            )
    _check_folder(path)


def _check_folder(path: Path) -> None:
    """Refuse a path whose folder, or that which will hold it, takes no file.

    Raises:
        OSError: Naming what is in the way.
    """
    folder = path
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f'{printable(path)} cannot be written, as {printable(folder)} '
            f'takes no file ({error.strerror}): name another place'
        ) from None


def printable(text: object) -> str:
    """A text, a path above all, on one line that any log takes.

    File names are bytes: what is not UTF-8 in them, line ends and other
    control characters come out escaped, as Python writes them.
    """
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode()
        for c in str(text)
    )


def is_text(path: str) -> bool:
    """Whether a path is UTF-8; OpenCV crashes on others."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def beside(path: str, ending: str) -> str:
    """A path with an ending after its own, so that no two become one.

    Names that get too long for a file system (255 bytes) are cut, a digest
    of the whole in place of what goes.
    """
    folder, name = os.path.split(path)
    raw = os.fsencode(name)
    if len(raw) + len(ending) > 255:
        digest = hashlib.sha256(raw).hexdigest()[:16]
        kept = raw[: 255 - len(ending) - len(digest) - 1]
        name = os.fsdecode(kept) + f'~{digest}'
    return os.path.join(folder, name + ending)


def permitted(mode: int) -> int:
    """Permissions without those that this process gives nobody."""
    # There is no other way to read it.
    umask = os.umask(0o022)
    os.umask(umask)
    return mode & ~umask


class AtomicFileBackend(LocalBackend):
    """mmengine's local backend, writing with :func:`write_atomic`."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, completely or not at all."""
        write_atomic(obj, filepath)


register_backend('atomic', AtomicFileBackend, force=True)
