"""Pre-training algorithms."""

from .base import (
    Curve,
    PretrainMethod,
    features_of,
    patch_features_of,
    pool,
)
from .ccmim import CCMIM, Explanation
from .mask_distill import MaskDistill
from .masked_method import MaskedMethod
from .mimco import MimCo
from .teacher_method import TeacherMethod

__all__ = [
    'CCMIM',
    'Curve',
    'Explanation',
    'MaskDistill',
    'MaskedMethod',
    'MimCo',
    'PretrainMethod',
    'TeacherMethod',
    'features_of',
    'patch_features_of',
    'pool',
]
