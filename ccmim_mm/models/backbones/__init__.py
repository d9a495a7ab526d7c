"""Encoders."""

from .masked_vit import MaskedViT
from .windowed_vit import WindowedViT

__all__ = ['MaskedViT', 'WindowedViT']
