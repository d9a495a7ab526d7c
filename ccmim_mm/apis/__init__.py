"""What the command-line tools do to a config before a run."""

from .data import DataLayout, apply_data, find_layout
from .launch import apply_device, apply_precision, apply_run_options

__all__ = [
    'DataLayout',
    'apply_data',
    'apply_device',
    'apply_precision',
    'apply_run_options',
    'find_layout',
]
