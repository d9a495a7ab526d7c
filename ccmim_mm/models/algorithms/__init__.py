"""Pre-training algorithms."""

from .base import (
    Curve,
    PretrainMethod,
    branch_latents_of,
    features_of,
    patch_features_of,
)
from .ccmim import CCMIM
from .contrastive import ContrastiveMethod, MoCoV3Method, SimCLRMethod
from .densecl import DenseCLMethod
from .imae import IMAE
from .mask_distill import MaskDistill
from .masked_method import Explanation, MaskedMethod
from .mimco import MimCo
from .pooling import pool
from .teacher_method import TeacherMethod

__all__ = [
    'CCMIM',
    'IMAE',
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
