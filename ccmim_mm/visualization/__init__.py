"""Pictures of a run."""

from .curves import History, plot_curves
from .mixtures import plot_mixtures
from .panel import draw_panel, to_picture
from .pixels import as_rgb, stretch
from .scalars import read_scalars, training_rows
from .texts import as_text

__all__ = [
    'History',
    'as_rgb',
    'as_text',
    'draw_panel',
    'plot_curves',
    'plot_mixtures',
    'read_scalars',
    'stretch',
    'to_picture',
    'training_rows',
]
