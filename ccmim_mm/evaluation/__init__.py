"""How good the features are, without training the encoder any further."""

from .knn import knn_accuracy
from .linear_probe import linear_probe_accuracy

__all__ = ['knn_accuracy', 'linear_probe_accuracy']
