"""Algorithms, encoders, decoders, heads and mask samplers."""

from .algorithms import (
    CCMIM,
    IMAE,
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
from .data_preprocessors import ChannelsPreprocessor
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
from .teachers import FrozenTeacher, MAETeacher, Targets

__all__ = [
    'CCMIM',
    'IMAE',
    'AdditiveNoiseMaskSampler',
    'BaseMaskSampler',
    'CCMIMAlignHead',
    'ChannelsPreprocessor',
    'ContrastiveMethod',
    'DenseCLMethod',
    'FrozenTeacher',
    'GumbelMaskSampler',
    'MAETeacher',
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
