"""Decoders and pyramids."""

from .ccmim_pretrain_decoder import CCMIMPretrainDecoder
from .simple_feature_pyramid import SimpleFeaturePyramid

__all__ = ['CCMIMPretrainDecoder', 'SimpleFeaturePyramid']
