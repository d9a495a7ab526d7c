"""Algorithms, encoders, decoders, heads and mask samplers."""

from .algorithms import (
    CCMIM,
    ContrastiveMethod,
    DenseCLMethod,
    MaskedMethod,
    MoCoV3Method,
    PretrainMethod,
    SimCLRMethod,
    features_of,
    patch_features_of,
)
from .backbones import MaskedViT, WindowedViT
from .heads import CCMIMAlignHead, MaskedPretrainHead
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

__all__ = [
    'CCMIM',
    'AdditiveNoiseMaskSampler',
    'BaseMaskSampler',
    'CCMIMAlignHead',
    'ContrastiveMethod',
    'DenseCLMethod',
    'GumbelMaskSampler',
    'MaskIndices',
    'MaskedMethod',
    'MaskedPretrainDecoder',
    'MaskedPretrainHead',
    'MaskedViT',
    'MoCoV3Method',
    'PartialLayer',
    'PretrainMethod',
    'RandomMaskSampler',
    'SimCLRMethod',
    'SimpleFeaturePyramid',
    'TopKMaskSampler',
    'WindowedViT',
    'features_of',
    'patch_features_of',
    'top_masked_share',
]
