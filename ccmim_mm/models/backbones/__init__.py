"""Encoders."""

from .ccmim_vit import CCMIMViT
from .windowed_vit import WindowedViT

__all__ = ['CCMIMViT', 'WindowedViT']
