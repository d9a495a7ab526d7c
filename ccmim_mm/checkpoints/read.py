"""Parameters from checkpoints of any kind, no code in them being run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from .folder import is_folder, told_in, weights_in
from .formats import detect_format, to_project
from .heads import moco_heads, told_heads
from .safe_reading import read_safely, read_safetensors
from .shapes import with_class_position
from .state import check_state


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


class Told(NamedTuple):
    """What a file holds, by its own names.

    Attributes:
        state: Parameters by name.
        heads: Attention heads by this project's names of the modules.
        epoch: Epochs that a run had trained for; None if it is not told.
        iteration: Its iterations, likewise.
        classes: Names of the classes that it was trained on, in the order of
            their numbers; empty if they are not told.
    """

    state: dict[str, Tensor]
    heads: dict[str, int]
    epoch: int | None = None
    iteration: int | None = None
    classes: tuple[str, ...] = ()


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
            Or one of safetensors, or a folder of transformers or timm.
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
    return as_project(read_told(path, trust), path)


def as_project(told: Told, path: str | Path) -> Checkpoint:
    """What a file holds, by this project's names.

    Args:
        told: What it holds.
        path: The file, for messages.

    Raises:
        ValueError: If its names are of no known format.
    """
    return renamed(told, path)[0]


def renamed(
    told: Told, path: str | Path, source: str = 'auto'
) -> tuple[Checkpoint, dict[str, Tensor]]:
    """See :func:`as_project`, and what has no place there, by its own names.

    Args:
        told: What the file holds.
        path: The file, for messages.
        source: Its format; ``auto`` tells it by the names.
    """
    state, heads = told.state, told.heads
    left_out: dict[str, Tensor] = {}
    try:
        form = detect_format(state) if source == 'auto' else source
        if form != 'project':
            # Of any task: what is missing, the loading says.
            state, left_out = to_project(state, form)
            if form == 'mocov3' and not heads:
                heads = moco_heads(state)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return Checkpoint(state, heads, form), left_out


def read_with_heads(
    path: str | Path, trust: bool = False
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Parameters, and what the file tells of attention heads."""
    told = read_told(path, trust)
    return told.state, told.heads


def read_told(path: str | Path, trust: bool = False) -> Told:
    """Parameters and what the file tells, see :func:`read_state_dict`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, or its folder is of a model
            that is no plain ViT.
    """
    data: Any
    meta: Any
    folder = told_in(path) if is_folder(path) else {}
    file = weights_in(path) if folder else path
    if Path(file).suffix == '.safetensors':
        data, meta = read_safetensors(file)
    else:
        data = read_safely(file, stand_ins=_STAND_INS, trust=trust)
        meta = data.get('meta') if isinstance(data, dict) else None
        # Of DINO's two networks its teacher is the one to use.
        for key in ('state_dict', 'model', 'teacher'):
            if isinstance(data, dict) and isinstance(data.get(key), dict):
                data = data[key]
    try:
        heads = told_heads(meta) or told_heads(folder)
        epoch, iteration = (_count(meta, key) for key in ('epoch', 'iter'))
        state = check_state(data)
        if folder.get('no_embed_class'):
            state = with_class_position(state)
        return Told(state, heads, epoch, iteration, _classes(meta))
    except ValueError as error:
        raise ValueError(f'{file} is refused or broken: {error}') from None


def _classes(meta: Any) -> tuple[str, ...]:
    """The classes of a checkpoint's ``meta``, as mmengine writes them."""
    data = meta.get('dataset_meta') if isinstance(meta, dict) else None
    found = data.get('classes') if isinstance(data, dict) else None
    if not isinstance(found, list | tuple):
        return ()
    return tuple(found) if all(isinstance(n, str) for n in found) else ()


def _count(meta: Any, key: str) -> int | None:
    """A whole number of a checkpoint's ``meta``, if there is one."""
    found = meta.get(key) if isinstance(meta, dict) else None
    return found if type(found) is int and 0 <= found < 2**63 else None
