"""Heads: what turns features into losses."""

from .ccmim_align_head import CCMIMAlignHead

__all__ = ['CCMIMAlignHead']
