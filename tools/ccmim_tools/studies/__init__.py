"""A study: method x data set x seed, run and told."""

from .execute import execute
from .grid import Run, expand, load_grid, select
from .report import write_report

__all__ = ['Run', 'execute', 'expand', 'load_grid', 'select', 'write_report']
