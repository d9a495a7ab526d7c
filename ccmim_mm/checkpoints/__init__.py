"""Checkpoints: reading safely, formats, loading with an account, writing."""

from .account import Account
from .encoder import Weights, read_weights
from .folder import is_checkpoint
from .formats import FORMATS, Conversion, convert, detect_format
from .heads import heads_of, told_heads
from .likeness import ByName, check_like
from .load import load
from .match import TO_RESUME, match
from .momentum import momentum_encoder
from .read import (
    Checkpoint,
    Told,
    as_project,
    read_as_project,
    read_state_dict,
    read_told,
    read_with_heads,
)
from .run_state import check_place, check_progress, check_run
from .safe_reading import (
    check_archive,
    local_file,
    read_safely,
    safe_init_cfg,
)
from .scan import starts_as_archive
from .state import check_state
from .weights_only import to_weights_only, unpack_histories
from .write import save_state_dict

__all__ = [
    'FORMATS',
    'TO_RESUME',
    'Account',
    'ByName',
    'Checkpoint',
    'Conversion',
    'Told',
    'Weights',
    'as_project',
    'check_archive',
    'check_like',
    'check_place',
    'check_progress',
    'check_run',
    'check_state',
    'convert',
    'detect_format',
    'heads_of',
    'is_checkpoint',
    'load',
    'local_file',
    'match',
    'momentum_encoder',
    'read_as_project',
    'read_safely',
    'read_state_dict',
    'read_told',
    'read_weights',
    'read_with_heads',
    'safe_init_cfg',
    'save_state_dict',
    'starts_as_archive',
    'to_weights_only',
    'told_heads',
    'unpack_histories',
]
