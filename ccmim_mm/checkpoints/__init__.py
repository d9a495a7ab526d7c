"""Checkpoints: reading safely, formats, loading with an account, writing."""

from .formats import FORMATS, Conversion, convert, detect_format
from .load import Account, load, load_for_test, load_pretrained, match
from .read import read_as_project, read_state_dict
from .safe_reading import (
    check_archive,
    local_file,
    read_safely,
    safe_init_cfg,
)
from .weights_only import to_weights_only, unpack_histories
from .write import save_state_dict

__all__ = [
    'FORMATS',
    'Account',
    'Conversion',
    'check_archive',
    'convert',
    'detect_format',
    'load',
    'load_for_test',
    'load_pretrained',
    'local_file',
    'match',
    'read_as_project',
    'read_safely',
    'read_state_dict',
    'safe_init_cfg',
    'save_state_dict',
    'to_weights_only',
    'unpack_histories',
]
