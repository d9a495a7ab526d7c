"""Pre-training algorithms."""

from .ccmim import CCMIM, Reconstruction

__all__ = ['CCMIM', 'Reconstruction']
