"""What the command-line tools and notebooks call."""

from ..config import apply_options, config_for_testing, config_for_training
from .encoder import Encoder, load_encoder
from .features import extract_features
from .matches import judge_matches
from .mixtures import judge_mixtures
from .pairs import PairsOfPictures, load_pairs

__all__ = [
    'Encoder',
    'PairsOfPictures',
    'apply_options',
    'config_for_testing',
    'config_for_training',
    'extract_features',
    'judge_matches',
    'judge_mixtures',
    'load_encoder',
    'load_pairs',
]
