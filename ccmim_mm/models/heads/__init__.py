"""Heads: what turns features into losses."""

from .ccmim_align_head import CCMIMAlignHead
from .info_nce import Contrast, info_nce
from .mask_distill_head import MaskDistillHead
from .masked_pretrain_head import MaskedPretrainHead

__all__ = [
    'CCMIMAlignHead',
    'Contrast',
    'MaskDistillHead',
    'MaskedPretrainHead',
    'info_nce',
]
