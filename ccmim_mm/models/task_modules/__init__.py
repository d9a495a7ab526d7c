"""Interchangeable parts of the algorithm."""

from .mask_samplers import (
    AdditiveNoiseMaskSampler,
    BaseMaskSampler,
    GumbelMaskSampler,
    MaskIndices,
    RandomMaskSampler,
    TopKMaskSampler,
    build_mask_sampler,
    mask_indices,
    sample_masked,
    top_masked_share,
)

__all__ = [
    'AdditiveNoiseMaskSampler',
    'BaseMaskSampler',
    'GumbelMaskSampler',
    'MaskIndices',
    'RandomMaskSampler',
    'TopKMaskSampler',
    'build_mask_sampler',
    'mask_indices',
    'sample_masked',
    'top_masked_share',
]
