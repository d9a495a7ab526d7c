"""Pre-training algorithms."""

from .base import (
    Curve,
    PretrainMethod,
    features_of,
    patch_features_of,
    pool,
)
from .ccmim import CCMIM, Explanation
from .masked_method import MaskedMethod

__all__ = [
    'CCMIM',
    'Curve',
    'Explanation',
    'MaskedMethod',
    'PretrainMethod',
    'features_of',
    'patch_features_of',
    'pool',
]
