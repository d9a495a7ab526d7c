"""What the command-line tools call."""

from .data import DataLayout, apply_data, find_layout
from .features import extract_features
from .launch import apply_device, apply_precision, apply_run_options
from .runs import config_for_testing, config_for_training
from .transfer import Task, find_task

__all__ = [
    'DataLayout',
    'Task',
    'apply_data',
    'apply_device',
    'apply_precision',
    'apply_run_options',
    'config_for_testing',
    'config_for_training',
    'extract_features',
    'find_layout',
    'find_task',
]
