"""What the command-line tools and notebooks call."""

from .encoder import Encoder, load_encoder
from .features import extract_features
from .options import apply_options
from .runs import config_for_testing, config_for_training

__all__ = [
    'Encoder',
    'apply_options',
    'config_for_testing',
    'config_for_training',
    'extract_features',
    'load_encoder',
]
