"""Small tensor functions that more than one module calls."""

from .attention import cls_attention, layer_at, layer_with_cls_row
from .tokens import gather_tokens

__all__ = [
    'cls_attention',
    'gather_tokens',
    'layer_at',
    'layer_with_cls_row',
]
