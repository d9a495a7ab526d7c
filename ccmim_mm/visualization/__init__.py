"""Pictures of a run."""

from .curves import plot_curves
from .panel import draw_panel

__all__ = ['draw_panel', 'plot_curves']
