"""Files that are complete or absent."""

import os
import tempfile
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


def write_atomic(content: bytes, path: str | Path) -> None:
    """Write a file beside its place and move it there when it is complete.

    Whatever happens meanwhile, the path holds the old content or the new.

    Raises:
        OSError: If it cannot be written, a full disk for one; nothing of it
            is left then.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        prefix=f'.{path.name}.', suffix='.part', dir=path.parent
    )
    try:
        with os.fdopen(descriptor, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are their owner's alone.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_parts(folder: str | Path) -> None:
    """Remove what a process that was killed left of :func:`write_atomic`."""
    for path in Path(folder).glob('.*.part'):
        path.unlink(missing_ok=True)


def _umask() -> int:
    # There is no other way to read it.
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


class AtomicFileBackend(LocalBackend):
    """mmengine's local backend, writing with :func:`write_atomic`."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, completely or not at all."""
        write_atomic(obj, filepath)


register_backend('atomic', AtomicFileBackend, force=True)
