"""Decoders and pyramids."""

from .masked_pretrain_decoder import MaskedPretrainDecoder
from .simple_feature_pyramid import SimpleFeaturePyramid

__all__ = ['MaskedPretrainDecoder', 'SimpleFeaturePyramid']
