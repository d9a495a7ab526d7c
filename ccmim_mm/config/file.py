"""Reading a config, and telling what keeps it from being read."""

from pathlib import Path
from traceback import walk_tb

from mmengine.config import Config

from ..files import printable


def read_config(path: str | Path) -> Config:
    """Read a config and import what it names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it, one that it is based on, or what it imports is no
            Python, naming the file and the line, or a base of a package has
            no folder.
        ImportError: If it imports what is not there.
    """
    try:
        return Config.fromfile(path)
    except SyntaxError as error:
        raise ValueError(_no_python(error)) from error
    except ValueError as error:
        if '_get_package_and_cfg_path' not in str(error):
            raise
        raise ValueError(
            f'{printable(path)}: a base PACKAGE::NAME.py has no folder: write '
            'ccmim_mm::configs/NAME.py for one of this project'
        ) from error
    except ImportError as error:
        # Of its custom_imports mmengine says which alone, and where not.
        cause = error.__cause__ or error
        raise ImportError(
            f'{printable(path)} imports what is not there '
            f'({cause.__context__ or cause}): install it, or set PYTHONPATH '
            'to the folder that holds it'
        ) from error


def _no_python(error: SyntaxError) -> str:
    """What is wrong where, on a line."""
    place, unknown = error.filename, (None, '<unknown>')
    if place in unknown:
        # Parsed as a text, of the config or a base: mmengine's calls alone
        # have its name.
        calls = walk_tb(error.__traceback__)
        names = [frame.f_locals.get('filename') for frame, _ in calls]
        place = [name for name in names if name not in unknown][-1]
    # Of a null byte there is no line.
    line = f', line {error.lineno}' if error.lineno else ''
    return f'{printable(place)}{line}: {error.msg}'
