"""What the command-line tools do to a config before a run."""

from .data import DataLayout, apply_data, find_layout
from .features import extract_features
from .launch import (
    apply_device,
    apply_precision,
    apply_run_options,
    settle_workers,
)
from .transfer import (
    Task,
    apply_classes,
    apply_test_options,
    check_transfer_data,
    find_task,
)

__all__ = [
    'DataLayout',
    'Task',
    'apply_classes',
    'apply_data',
    'apply_device',
    'apply_precision',
    'apply_run_options',
    'apply_test_options',
    'check_transfer_data',
    'extract_features',
    'find_layout',
    'find_task',
    'settle_workers',
]
