"""Parts of a transformer layer: one row of its map, or some of its tokens.

mmpretrain's layer computes the whole layer and returns no attention. The
functions here run the same modules with the same parameters, but only as
far as somebody reads the result.
"""

import torch.nn.functional as F
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor

QUERY, KEY, VALUE = range(3)


def project(
    attn: MultiheadAttention, x: Tensor, first: int, last: int
) -> Tensor:
    """Some of the query, key and value projections, in this order.

    Args:
        attn: A self-attention layer with ``h`` heads of width ``d``.
        x: Its (normalised) input, ``(B, N, C)``.
        first: The first projection, ``QUERY``, ``KEY`` or ``VALUE``.
        last: The last one.

    Returns:
        ``(last - first + 1, B, h, N, d)``.
    """
    rows = slice(first * attn.embed_dims, (last + 1) * attn.embed_dims)
    bias = None if attn.qkv.bias is None else attn.qkv.bias[rows]
    projected = F.linear(x, attn.qkv.weight[rows], bias)
    parts = (last - first + 1, attn.num_heads, attn.head_dims)
    return projected.unflatten(-1, parts).permute(2, 0, 3, 1, 4)


def cls_row(query: Tensor, key: Tensor) -> Tensor:
    """The CLS query's row of the attention map, averaged over the heads.

    Args:
        query: Of the CLS token alone, ``(B, h, 1, d)``.
        key: ``(B, h, L + 1, d)``, CLS first.

    Returns:
        ``(B, L)`` in fp32. The softmax runs over all ``L + 1`` keys before
        the CLS column is dropped, so a row sums to at most 1.
    """
    # fp32 logits under autocast too, as in a fused attention kernel.
    logits = (query.float() * key).sum(-1) * query.shape[-1] ** -0.5
    return logits.softmax(dim=-1).mean(dim=1)[:, 1:]


def cls_attention(attn: MultiheadAttention, x: Tensor) -> Tensor:
    """Attention of the CLS token over the patches, and nothing else.

    Args:
        attn: A self-attention layer.
        x: Its (normalised) input, ``(B, L + 1, C)``, CLS first.

    Returns:
        ``(B, L)`` in fp32, see :func:`cls_row`.
    """
    (query,) = project(attn, x[:, :1], QUERY, QUERY)
    (key,) = project(attn, x, KEY, KEY)
    return cls_row(query, key)


def layer_with_cls_row(
    layer: TransformerEncoderLayer, x: Tensor
) -> tuple[Tensor, Tensor]:
    """Run a layer and read the CLS row of its attention on the way.

    Args:
        layer: A transformer layer.
        x: ``(B, L + 1, C)``, CLS first.

    Returns:
        The layer's output, ``(B, L + 1, C)``, and the row, ``(B, L)``.
    """
    query, key, value = project(layer.attn, layer.ln1(x), QUERY, VALUE)
    row = cls_row(query[:, :, :1], key)
    return _finish(layer, x, query, key, value), row


def layer_at(
    layer: TransformerEncoderLayer, x: Tensor, tokens: slice
) -> Tensor:
    """Output of a layer at some of its tokens; all of them are attended to.

    Args:
        layer: A transformer layer.
        x: ``(B, N, C)``.
        tokens: Which of the ``N`` tokens are asked for.

    Returns:
        ``(B, n, C)``: what the layer returns at ``tokens``.
    """
    normed = layer.ln1(x)
    (query,) = project(layer.attn, normed[:, tokens], QUERY, QUERY)
    key, value = project(layer.attn, normed, KEY, VALUE)
    return _finish(layer, x[:, tokens], query, key, value)


def _finish(
    layer: TransformerEncoderLayer,
    x: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
) -> Tensor:
    """What a layer does after its projections, on the tokens in ``x``."""
    attn = layer.attn
    dropout = attn.attn_drop if attn.training else 0.0
    mixed = F.scaled_dot_product_attention(
        query, key, value, dropout_p=dropout
    )
    mixed = attn.proj_drop(attn.proj(mixed.transpose(1, 2).flatten(2)))
    x = x + attn.out_drop(attn.gamma1(mixed))
    return layer.ffn(layer.ln2(x), identity=x)
