"""``ccmim_mm.run_files``, without the seconds that its package takes."""

from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

from .config_names import mim_folder

if TYPE_CHECKING:
    from ccmim_mm import run_files
else:
    try:
        _path = mim_folder().with_name('run_files.py')
    except ModuleNotFoundError as error:
        raise SystemExit(f'error: {error}') from None
    _spec = spec_from_file_location('ccmim_mm_run_files', _path)
    run_files = module_from_spec(_spec)
    _spec.loader.exec_module(run_files)
