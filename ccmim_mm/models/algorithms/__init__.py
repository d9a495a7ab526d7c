"""Pre-training algorithms."""

from .base import (
    Curve,
    PretrainMethod,
    features_of,
    patch_features_of,
    pool,
)
from .ccmim import CCMIM, Explanation
from .contrastive import (
    ContrastiveMethod,
    DenseCLMethod,
    MoCoV3Method,
    SimCLRMethod,
)
from .masked_method import MaskedMethod

__all__ = [
    'CCMIM',
    'ContrastiveMethod',
    'Curve',
    'DenseCLMethod',
    'Explanation',
    'MaskedMethod',
    'MoCoV3Method',
    'PretrainMethod',
    'SimCLRMethod',
    'features_of',
    'patch_features_of',
    'pool',
]
