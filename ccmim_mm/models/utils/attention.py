"""The one row of the attention map that ccMIM reads."""

import torch.nn.functional as F
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor


def cls_attention(attn: MultiheadAttention, x: Tensor) -> Tensor:
    """Attention of the CLS query over the patches, averaged over heads.

    Only the keys and the one CLS query are projected, and only one row of
    the map is built: ``O(L)`` memory per head beside fused attention.

    Args:
        attn: A self-attention layer with ``h`` heads of width ``d``.
        x: Its (normalised) input, ``(B, L + 1, C)``, CLS first.

    Returns:
        ``(B, L)`` in fp32. The softmax runs over all ``L + 1`` keys before
        the CLS column is dropped, so a row sums to at most 1.
    """
    width = attn.embed_dims
    weight, bias = attn.qkv.weight, attn.qkv.bias
    query, key = (
        F.linear(
            tokens,
            weight[rows],
            None if bias is None else bias[rows],
        ).unflatten(-1, (attn.num_heads, attn.head_dims))
        for tokens, rows in (
            (x[:, :1], slice(0, width)),
            (x, slice(width, 2 * width)),
        )
    )
    # fp32 logits under autocast too, as in a fused attention kernel.
    logits = (query.float() * key).sum(-1) * attn.head_dims**-0.5
    return logits.softmax(dim=1).mean(dim=-1)[:, 1:]
