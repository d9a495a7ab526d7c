"""Weights for other libraries: one file a format, compared after writing."""

from .exporter import TARGETS, Export, check_target, export
from .target import Target

__all__ = ['TARGETS', 'Export', 'Target', 'check_target', 'export']
