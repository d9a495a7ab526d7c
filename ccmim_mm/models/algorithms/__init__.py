"""Pre-training algorithms."""

from .base import (
    Curve,
    PretrainMethod,
    branch_latents_of,
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
from .mask_distill import MaskDistill
from .masked_method import MaskedMethod
from .mimco import MimCo
from .teacher_method import TeacherMethod

__all__ = [
    'CCMIM',
    'ContrastiveMethod',
    'Curve',
    'DenseCLMethod',
    'Explanation',
    'MaskDistill',
    'MaskedMethod',
    'MimCo',
    'MoCoV3Method',
    'PretrainMethod',
    'SimCLRMethod',
    'TeacherMethod',
    'branch_latents_of',
    'features_of',
    'patch_features_of',
    'pool',
]
