"""The demo's pictures: see ``tools/make_demo_data.py``."""

from .data import generate_demo

__all__ = ['generate_demo']
