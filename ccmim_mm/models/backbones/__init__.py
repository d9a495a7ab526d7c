"""Encoders."""

from .ccmim_vit import CCMIMViT

__all__ = ['CCMIMViT']
