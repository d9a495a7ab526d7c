"""Algorithm, backbone, neck, heads and mask samplers of ccMIM."""

from .algorithms import CCMIM
from .backbones import CCMIMViT, WindowedViT
from .heads import CCMIMAlignHead, CCMIMPretrainHead
from .necks import CCMIMPretrainDecoder, SimpleFeaturePyramid
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
    'CCMIMPretrainDecoder',
    'CCMIMPretrainHead',
    'CCMIMViT',
    'GumbelMaskSampler',
    'MaskIndices',
    'RandomMaskSampler',
    'SimpleFeaturePyramid',
    'TopKMaskSampler',
    'WindowedViT',
    'top_masked_share',
]
