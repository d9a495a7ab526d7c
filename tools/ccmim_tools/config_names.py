"""Configs by their names, wherever this project is installed."""

import difflib
from importlib.util import find_spec
from pathlib import Path

#: Of the path of a config in a clone, and of one as a base.
_PREFIXES = ('ccmim_mm::', 'configs/')


def mim_folder() -> Path:
    """The package's ``.mim``: configs, launchers and their index.

    Raises:
        ModuleNotFoundError: If ``ccmim_mm`` is not installed.
    """
    spec = find_spec('ccmim_mm')
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            'ccmim_mm is not installed: pip install it, or set PYTHONPATH to '
            'the root of a clone'
        )
    return Path(spec.origin).parent / '.mim'


def list_configs() -> list[str]:
    """Names of all configs that can be run, ``ccmim_vit-b`` for one."""
    folder = mim_folder() / 'configs/configs'
    names = (path.relative_to(folder) for path in folder.rglob('*.py'))
    return sorted(
        str(name.with_suffix(''))
        for name in names
        if '_base_' not in name.parts
    )


def find_config(name: str) -> str:
    """The path of a config.

    Args:
        name: A file, which goes first, or a name of this project's:
            ``ccmim_vit-b``, ``classification/vit-b_finetune_own``, and the
            path that it has in a clone, ``configs/ccmim_vit-b.py``. Any
            other folder is taken for a run's, which has a config, too.

    Raises:
        FileNotFoundError: If there is none, naming the nearest ones.
    """
    if Path(name).is_file():
        return name
    short = name
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix)
    short = short.removesuffix('.py')
    names = list_configs()
    if short in names:
        path = mim_folder() / f'configs/configs/{short}.py'
        # In a clone the folder is a link.
        return str(path.resolve())
    if Path(name).is_dir():
        return name
    near = difflib.get_close_matches(short, names, 3, 0.5)
    meant = f'; did you mean {" or ".join(near)}?' if near else ''
    raise FileNotFoundError(
        f'no config {name}{meant or ", neither a file nor a name here"}'
    )
