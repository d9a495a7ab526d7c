"""Transformer layers, and the index algebra on their tokens."""

from .partial_layer import PartialLayer
from .tokens import gather_tokens
from .windowed_layer import WindowedLayer

__all__ = ['PartialLayer', 'WindowedLayer', 'gather_tokens']
