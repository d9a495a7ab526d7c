"""Encoders off checkpoints of any project: networks, and their pictures."""

from .network import build_network
from .pixels import Pixels, normalise, pictures, pixels_of, transforms_of
from .source import Source, config_of_checkpoint, read_source

__all__ = [
    'Pixels',
    'Source',
    'build_network',
    'config_of_checkpoint',
    'normalise',
    'pictures',
    'pixels_of',
    'read_source',
    'transforms_of',
]
