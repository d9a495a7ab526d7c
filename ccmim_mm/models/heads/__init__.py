"""Heads: what turns features into losses."""

from .ccmim_align_head import CCMIMAlignHead
from .ccmim_pretrain_head import CCMIMPretrainHead

__all__ = ['CCMIMAlignHead', 'CCMIMPretrainHead']
