"""Parameters from checkpoints of any kind, no code in them being run."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from .formats import convert, detect_format
from .safe_reading import read_safely


class _Skipped:
    """Stands for what a training checkpoint holds beside the parameters.

    mmengine stores its log's history as objects whose unpickling needs
    ``getattr``, which is as good as running code, and releases of the MAE
    family their command line, an argparse namespace. Under this stand-in
    the file can be read, and these are dropped without being built.
    """

    def __new__(cls, *args) -> '_Skipped':
        return super().__new__(cls)

    def __setstate__(self, state) -> None:
        """Forget it."""


_STAND_INS: list[Callable | tuple[Callable, str]] = [
    (_Skipped, 'builtins.getattr'),
    (_Skipped, 'mmengine.logging.history_buffer.HistoryBuffer'),
    (_Skipped, 'numpy._core.multiarray._reconstruct'),
    (_Skipped, 'numpy.core.multiarray._reconstruct'),
    (_Skipped, 'numpy._core.multiarray.scalar'),
    (_Skipped, 'numpy.core.multiarray.scalar'),
    (_Skipped, 'numpy.ndarray'),
    (_Skipped, 'numpy.dtype'),
    (_Skipped, 'argparse.Namespace'),
    (_Skipped, 'pathlib.PosixPath'),
    (_Skipped, 'pathlib._local.PosixPath'),
]


def read_state_dict(
    path: str | Path, trust: bool = False
) -> dict[str, Tensor]:
    """Read the parameters of a checkpoint file; no code in it is run.

    Args:
        path: A file that ``torch.save`` wrote: the parameters themselves, or
            a dict with them under ``state_dict`` or ``model``. Or one of
            safetensors.
        trust: Let the file run code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file asks for more than tensors, numbers, strings
            and containers, is broken, or holds no parameters or such
            as are not finite.
    """
    if Path(path).suffix == '.safetensors':
        return _read_safetensors(path)
    data = read_safely(path, stand_ins=_STAND_INS, trust=trust)
    for key in ('state_dict', 'model'):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    tensors = isinstance(data, dict) and {
        name: value
        for name, value in data.items()
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise ValueError(f'{path} holds no parameters')
    return check_finite(tensors, path)


def read_as_project(
    path: str | Path, trust: bool = False
) -> tuple[dict[str, Tensor], str]:
    """Read parameters of any format that is known, by this project's names.

    Args:
        path: The file, see :func:`read_state_dict`.
        trust: Let the file run code.

    Returns:
        The parameters, and the format they came in.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely or is of no known format.
    """
    state = read_state_dict(path, trust)
    form = detect_format(state)
    if form == 'project':
        # Of any task: what is missing, the loading says.
        return state, form
    return convert(state, form, 'project').state, form


def check_finite(
    tensors: dict[str, Tensor], path: str | Path
) -> dict[str, Tensor]:
    """The tensors, if all are finite; BatchNorm's statistics may be not.

    Raises:
        ValueError: Naming the first that is not.
    """
    for name, value in tensors.items():
        if 'running_' not in name and not torch.isfinite(value).all():
            raise ValueError(f'{path} is broken: {name} is not finite')
    return tensors


def _read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Read a file of safetensors, which holds nothing but tensors."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'no checkpoint {path}')
    try:
        tensors = load_file(path)
    except Exception as error:
        raise ValueError(f'{path} is broken: {error}') from error
    return check_finite(tensors, path)
