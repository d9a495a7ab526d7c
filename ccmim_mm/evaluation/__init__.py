"""How good the features are, and what attention and masks do."""

from .knn import knn_accuracy
from .linear_probe import linear_probe_accuracy
from .mask_analysis import (
    effective_rank,
    feature_std,
    object_cover,
    on_object,
)
from .rows import Rows, finite_rows
from .undisturbed import undisturbed

__all__ = [
    'Rows',
    'effective_rank',
    'feature_std',
    'finite_rows',
    'knn_accuracy',
    'linear_probe_accuracy',
    'object_cover',
    'on_object',
    'undisturbed',
]
