"""Small tensor functions that more than one module calls."""

from .attention import cls_attention
from .tokens import gather_tokens

__all__ = ['cls_attention', 'gather_tokens']
