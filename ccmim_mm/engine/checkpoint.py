"""Reading checkpoints without running what is in them."""

import io
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from .files import write_whole
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


def save_state_dict(
    state: dict[str, Tensor], path: str | Path, key: str = 'state_dict'
) -> None:
    """Write parameters, whole or not at all.

    Args:
        state: Parameters by name.
        path: The file; one called ``.safetensors`` becomes such a one.
        key: What the dict around them calls them.

    Raises:
        OSError: If it cannot be written.
    """
    if Path(path).suffix == '.safetensors':
        copies = {name: value.contiguous() for name, value in state.items()}
        write_whole(save(copies), path)
        return
    buffer = io.BytesIO()
    torch.save({key: state}, buffer)
    write_whole(buffer.getvalue(), path)


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


def load_pretrained(
    model: nn.Module,
    state: dict[str, Tensor],
    may_be_new: tuple[str, ...] = ('align_head.', 'neck.'),
) -> str:
    """Load every parameter that fits, and account for the rest.

    The encoder's position table is resized if the picture size changed.

    Args:
        model: The algorithm.
        state: Parameters by name.
        may_be_new: Parts that the checkpoint may lack (an MAE checkpoint has
            no projector, a bare encoder no decoder); they start fresh.

    Returns:
        One line: how many tensors were loaded, which start fresh, and how
        many of the checkpoint's were not used.

    Raises:
        ValueError: If any other part finds no tensor of its name and shape.
    """
    resizable = 'backbone.pos_embed' if may_be_new else None
    own = model.state_dict()
    fits = {
        name: state[name]
        for name, value in own.items()
        if name in state
        and (state[name].shape == value.shape or name == resizable)
    }
    fresh = [name for name in own if name not in fits]
    lost = [name for name in fresh if not name.startswith(may_be_new)]
    if lost:
        name = lost[0]
        found = tuple(state[name].shape) if name in state else 'nothing'
        raise ValueError(
            f'{len(lost)} of {len(own)} tensors are not in the checkpoint, '
            f'first {name}: need {tuple(own[name].shape)}, found {found}; it '
            f'has names like {", ".join(list(state)[:3])}. Use a checkpoint '
            'of the same architecture with mmpretrain parameter names'
        )
    model.load_state_dict(fits, strict=False)
    new = {p: sum(n.startswith(p) for n in fresh) for p in may_be_new}
    parts = [f'{count} of {p}*' for p, count in new.items() if count]
    return (
        f'loaded {len(fits)} of {len(own)} tensors; '
        f'new: {", ".join(parts) or "none"}; '
        f'not used: {len(state.keys() - fits.keys())} of the checkpoint'
    )


def load_for_test(model: nn.Module, state: dict[str, Tensor]) -> str:
    """Load a checkpoint to be judged: into every tensor of the model.

    Args:
        model: A model, in wrappers of processes or of test-time
            augmentation or not.
        state: Parameters by name.

    Returns:
        One line about what was loaded.

    Raises:
        ValueError: If a tensor is missing or of another shape.
    """
    while isinstance(inner := getattr(model, 'module', None), nn.Module):
        model = inner
    if hasattr(model, 'mask_sampler'):
        return load_pretrained(model, state)
    return load_pretrained(model, state, may_be_new=())
