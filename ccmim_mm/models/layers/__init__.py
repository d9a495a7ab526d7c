"""Transformer layers, and the index algebra on their tokens."""

from .partial_layer import PartialLayer
from .positions import sincos_table
from .tokens import gather_tokens
from .windowed_layer import WindowedLayer

__all__ = ['PartialLayer', 'WindowedLayer', 'gather_tokens', 'sincos_table']
