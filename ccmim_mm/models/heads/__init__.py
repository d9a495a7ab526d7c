"""Heads: what turns features into losses."""

from .ccmim_align_head import CCMIMAlignHead
from .info_nce import Contrast, info_nce
from .mask_distill_head import MaskDistillHead
from .masked_pretrain_head import MaskedPretrainHead
from .mimco_head import MimCoHead

__all__ = [
    'CCMIMAlignHead',
    'Contrast',
    'MaskDistillHead',
    'MaskedPretrainHead',
    'MimCoHead',
    'info_nce',
]
