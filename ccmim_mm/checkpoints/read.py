"""Parameters from checkpoints of any kind, no code in them being run."""

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from .content import check_content, extent, is_finite
from .formats import convert, detect_format
from .heads import moco_heads, told_heads
from .safe_reading import read_safely

#: Characters of a parameter's name, which messages repeat.
LONGEST_NAME = 300


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


class Checkpoint(NamedTuple):
    """What a file holds of a model.

    Attributes:
        state: Parameters by name, with the modules' versions (torch's
            ``_metadata``) if the file has them.
        heads: Attention heads by this project's names of the modules, as
            far as the file tells, see :func:`heads_of`.
        form: The format it came in.
    """

    state: dict[str, Tensor]
    heads: dict[str, int]
    form: str


def read_state_dict(
    path: str | Path, trust: bool = False
) -> dict[str, Tensor]:
    """Read the parameters of a checkpoint file; no code in it is run.

    Args:
        path: A file that ``torch.save`` wrote: the parameters themselves, or
            a dict with them under ``state_dict``, ``model`` or ``teacher``.
            Or one of safetensors.
        trust: Let the file run code.

    Returns:
        Parameters by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file asks for more than plain tensors, numbers,
            strings and containers, is broken, or holds no parameters or
            such as are not finite.
    """
    return read_with_heads(path, trust)[0]


def read_as_project(path: str | Path, trust: bool = False) -> Checkpoint:
    """Read parameters of any format that is known, by this project's names.

    Args:
        path: The file, see :func:`read_state_dict`.
        trust: Let the file run code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely or is of no known format.
    """
    state, heads = read_with_heads(path, trust)
    try:
        form = detect_format(state)
        if form != 'project':
            # Of any task: what is missing, the loading says.
            state = convert(state, form, 'project').state
            if form == 'mocov3' and not heads:
                heads = moco_heads(state)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return Checkpoint(state, heads, form)


def check_state(state: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, if its names are names and all is finite.

    BatchNorm's statistics may be not finite. What is no tensor is left out.

    Args:
        state: What a file holds as parameters.

    Returns:
        Tensors by name, with torch's ``_metadata`` if there is one.

    Raises:
        ValueError: Naming the first that is wrong, or if there is none.
    """
    if not isinstance(state, dict):
        raise ValueError(f'its parameters are a {type(state).__name__}')
    finite: set[tuple] = set()
    tensors: OrderedDict[str, Tensor] = OrderedDict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            continue
        named = isinstance(name, str) and name.isprintable()
        if not named or len(name) > LONGEST_NAME:
            raise ValueError(f'{name!r:.50} is no name of a parameter')
        place = extent(value)
        if 'running_' not in name and place not in finite:
            if not is_finite(value):
                raise ValueError(f'{name} is not finite')
            finite.add(place)
        tensors[name] = value
    if not tensors:
        raise ValueError('it holds no parameters')
    if versions := _versions(state):
        tensors._metadata = versions  # type: ignore[attr-defined]
    return tensors


def _versions(state: dict) -> dict[str, dict]:
    """A state dict's ``_metadata``, checked: what versions its modules had.

    Raises:
        ValueError: If it is no such thing.
    """
    found = getattr(state, '_metadata', None) or {}
    if not isinstance(found, dict) or not all(
        isinstance(name, str)
        and isinstance(entry, dict)
        and type(entry.get('version')) in (int, type(None))
        for name, entry in found.items()
    ):
        raise ValueError("its modules' versions (_metadata) are broken")
    return found


def read_with_heads(
    path: str | Path, trust: bool = False
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Parameters, and what the file tells of attention heads."""
    data: Any
    meta: Any
    if Path(path).suffix == '.safetensors':
        data, meta = _read_safetensors(path)
    else:
        data = read_safely(path, stand_ins=_STAND_INS, trust=trust)
        meta = data.get('meta') if isinstance(data, dict) else None
        # Of DINO's two networks its teacher is the one to use.
        for key in ('state_dict', 'model', 'teacher'):
            if isinstance(data, dict) and isinstance(data.get(key), dict):
                data = data[key]
    try:
        return check_state(data), told_heads(meta)
    except ValueError as error:
        raise ValueError(f'{path} is refused or broken: {error}') from None


def _read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors of a file of safetensors, which has nothing but them and text.

    Returns:
        Tensors by name, and what the text tells, as ``meta``.
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
