"""Algorithms, encoders, decoders, heads and mask samplers."""

from .algorithms import (
    CCMIM,
    ContrastiveMethod,
    DenseCLMethod,
    MaskDistill,
    MaskedMethod,
    MimCo,
    MoCoV3Method,
    PretrainMethod,
    SimCLRMethod,
    TeacherMethod,
    branch_latents_of,
    features_of,
    patch_features_of,
)
from .backbones import MaskedViT, WindowedViT
from .heads import (
    CCMIMAlignHead,
    MaskDistillHead,
    MaskedPretrainHead,
    MimCoHead,
)
from .layers import PartialLayer
from .necks import MaskedPretrainDecoder, SimpleFeaturePyramid
from .task_modules import (
    AdditiveNoiseMaskSampler,
    BaseMaskSampler,
    GumbelMaskSampler,
    MaskIndices,
    RandomMaskSampler,
    TopKMaskSampler,
    top_masked_share,
)
from .teachers import FrozenTeacher, Targets

__all__ = [
    'CCMIM',
    'AdditiveNoiseMaskSampler',
    'BaseMaskSampler',
    'CCMIMAlignHead',
    'ContrastiveMethod',
    'DenseCLMethod',
    'FrozenTeacher',
    'GumbelMaskSampler',
    'MaskDistill',
    'MaskDistillHead',
    'MaskIndices',
    'MaskedMethod',
    'MaskedPretrainDecoder',
    'MaskedPretrainHead',
    'MaskedViT',
    'MimCo',
    'MimCoHead',
    'MoCoV3Method',
    'PartialLayer',
    'PretrainMethod',
    'RandomMaskSampler',
    'SimCLRMethod',
    'SimpleFeaturePyramid',
    'Targets',
    'TeacherMethod',
    'TopKMaskSampler',
    'WindowedViT',
    'branch_latents_of',
    'features_of',
    'patch_features_of',
    'top_masked_share',
]
