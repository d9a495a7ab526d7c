"""Algorithm, backbone, heads and mask samplers of ccMIM."""

from .algorithms import CCMIM
from .backbones import CCMIMViT
from .heads import CCMIMAlignHead
from .task_modules import (
    AdditiveNoiseMaskSampler,
    BaseMaskSampler,
    GumbelMaskSampler,
    MaskIndices,
    RandomMaskSampler,
    TopKMaskSampler,
)

__all__ = [
    'CCMIM',
    'AdditiveNoiseMaskSampler',
    'BaseMaskSampler',
    'CCMIMAlignHead',
    'CCMIMViT',
    'GumbelMaskSampler',
    'MaskIndices',
    'RandomMaskSampler',
    'TopKMaskSampler',
]
