"""A transformer layer that computes no more than somebody reads."""

import torch.nn.functional as F
from mmengine.registry import MODELS
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor

QUERY, KEY, VALUE = range(3)
#: As ``rows`` of a :class:`PartialLayer`: no output, the CLS row alone.
NO_ROWS = slice(0)


@MODELS.register_module()
class PartialLayer(TransformerEncoderLayer):
    """mmpretrain's layer, at some of its tokens and with its CLS attention.

    The same parameters, names and function. Called with a picture's tokens
    alone it is the parent; asked for some rows it computes those (all tokens
    are attended to), and asked for the CLS row it reads the attention of the
    CLS token on the way. Being a module, it can be hooked, checkpointed,
    compiled and sharded as any other. Takes the parent's arguments.
    """

    def forward(
        self, x: Tensor, rows: slice | None = None, cls_row: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run the layer.

        Args:
            x: ``(B, N, C)``, CLS first if its row is asked for.
            rows: Which of the ``N`` tokens to return; None is all of them,
                :data:`NO_ROWS` none.
            cls_row: Return the CLS query's row of the attention map as well.

        Returns:
            ``(B, n, C)``, the layer's output at ``rows``; with ``cls_row``
            also the row, ``(B, N - 1)``, fp32, averaged over the heads. The
            softmax runs over all ``N`` keys before the CLS column is
            dropped, so it sums to at most 1.
        """
        if rows is None and not cls_row:
            return super().forward(x)
        if cls_row and rows == NO_ROWS:
            return x[:, rows], cls_attention(self.attn, self.ln1(x))
        normed = self.ln1(x)
        if cls_row:
            query, key, value = project(self.attn, normed, QUERY, VALUE)
            row = attention_row(query[:, :, :1], key)
            rows = slice(None) if rows is None else rows
            out = self._finish(x[:, rows], query[:, :, rows], key, value)
            return out, row
        (query,) = project(self.attn, normed[:, rows], QUERY, QUERY)
        key, value = project(self.attn, normed, KEY, VALUE)
        return self._finish(x[:, rows], query, key, value)

    def _finish(
        self, x: Tensor, query: Tensor, key: Tensor, value: Tensor
    ) -> Tensor:
        """What follows the projections, on the tokens in ``x``."""
        attn = self.attn
        dropout = attn.attn_drop if attn.training else 0.0
        mixed = F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout
        )
        mixed = attn.proj_drop(attn.proj(mixed.transpose(1, 2).flatten(2)))
        x = x + attn.out_drop(attn.gamma1(mixed))
        return self.ffn(self.ln2(x), identity=x)


def cls_attention(attn: MultiheadAttention, normed: Tensor) -> Tensor:
    """What the CLS token attends to in one layer, and nothing else of it.

    Args:
        attn: The layer's attention.
        normed: What it sees, ``(B, L + 1, C)``, CLS first.

    Returns:
        ``(B, L)``, see :func:`attention_row`.
    """
    (query,) = project(attn, normed[:, :1], QUERY, QUERY)
    (key,) = project(attn, normed, KEY, KEY)
    return attention_row(query, key)


def attention_rows(attn: MultiheadAttention, normed: Tensor) -> Tensor:
    """:func:`cls_attention` of each head by itself, ``(B, h, L)``."""
    (query,) = project(attn, normed[:, :1], QUERY, QUERY)
    (key,) = project(attn, normed, KEY, KEY)
    return head_rows(query, key)[..., 1:]


def project(
    attn: MultiheadAttention, x: Tensor, first: int, last: int
) -> Tensor:
    """Projections ``first`` to ``last``, ``(count, B, h, N, d)``."""
    part = slice(first * attn.embed_dims, (last + 1) * attn.embed_dims)
    bias = None if attn.qkv.bias is None else attn.qkv.bias[part]
    projected = F.linear(x, attn.qkv.weight[part], bias)
    parts = (last - first + 1, attn.num_heads, attn.head_dims)
    return projected.unflatten(-1, parts).permute(2, 0, 3, 1, 4)


def attention_row(query: Tensor, key: Tensor) -> Tensor:
    """The CLS query's row of the attention map, averaged over the heads.

    Args:
        query: Of the CLS token alone, ``(B, h, 1, d)``.
        key: ``(B, h, L + 1, d)``, CLS first.

    Returns:
        ``(B, L)`` in fp32.
    """
    return head_rows(query, key).mean(dim=1)[:, 1:]


def head_rows(query: Tensor, key: Tensor) -> Tensor:
    """The CLS query's row of each head, ``(B, h, L + 1)``, CLS first."""
    # fp32 logits under autocast too, as in a fused attention kernel.
    logits = (query.float() * key).sum(-1) * query.shape[-1] ** -0.5
    return logits.softmax(dim=-1)
