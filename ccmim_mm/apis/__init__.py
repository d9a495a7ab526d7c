"""What the command-line tools and notebooks call."""

from .encoder import Encoder, load_encoder
from .features import extract_features
from .runs import run_config, test_config

__all__ = [
    'Encoder',
    'extract_features',
    'load_encoder',
    'run_config',
    'test_config',
]
