"""Heads: what turns features into losses."""

from .ccmim_align_head import CCMIMAlignHead
from .masked_pretrain_head import MaskedPretrainHead

__all__ = ['CCMIMAlignHead', 'MaskedPretrainHead']
