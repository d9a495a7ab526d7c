"""Places that are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from ..files import write_atomic


@contextmanager
def staged_files(out: Path) -> Iterator[Path]:
    """Files to write beside one another, moved when all went well.

    Args:
        out: The first of them, which is not there.

    Yields:
        Its path in a folder; what else is written there goes along.

    Raises:
        FileExistsError: If one of the others is there already.
        OSError: If they cannot be written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f'.{out.name}.', suffix='.part', dir=out.parent
    ) as folder:
        yield Path(folder, out.name)
        # The one that counts comes last.
        names = sorted(os.listdir(folder), key=lambda name: name == out.name)
        for name in names:
            if (out.parent / name).exists():
                raise FileExistsError(
                    f'{out.parent / name} exists and is left untouched: '
                    'name another output'
                )
        for name in names:
            os.rename(Path(folder, name), out.parent / name)


def write_text(path: Path, text: str) -> None:
    """Write a text, whole."""
    write_atomic(text.encode(), path)


def write_weights(
    path: Path, state: dict[str, Tensor], told: dict[str, str]
) -> None:
    """Write parameters as safetensors, with texts beside them.

    Args:
        path: The file.
        state: Parameters by name.
        told: The texts. transformers wants ``format``, which is added.
    """
    plain = {name: value.contiguous() for name, value in state.items()}
    write_atomic(save(plain, dict(told, format='pt')), path)
