"""The demo's pictures: see ``ccmim demo``."""

from .data import generate_demo

__all__ = ['generate_demo']
