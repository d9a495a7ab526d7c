"""Configs: read, checked, changed, and made into those of runs."""

from .file import read_config
from .hyperparameters import set_hyperparameters
from .options import apply_options
from .picture_channels import set_channels
from .picture_size import set_picture_size
from .runs import config_for_testing, config_for_training

__all__ = [
    'apply_options',
    'config_for_testing',
    'config_for_training',
    'read_config',
    'set_channels',
    'set_hyperparameters',
    'set_picture_size',
]
