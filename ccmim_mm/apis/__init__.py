"""What the command-line tools and notebooks call."""

from .encoder import Encoder, load_encoder
from .features import extract_features
from .matches import judge_matches
from .mixtures import judge_mixtures
from .options import apply_options
from .pairs import PairsOfPictures, load_pairs
from .runs import config_for_testing, config_for_training

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
