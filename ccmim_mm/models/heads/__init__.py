"""Heads: what turns features into losses."""

from .ccmim_align_head import CCMIMAlignHead
from .info_nce import Contrast, info_nce
from .masked_pretrain_head import MaskedPretrainHead

__all__ = ['CCMIMAlignHead', 'Contrast', 'MaskedPretrainHead', 'info_nce']
