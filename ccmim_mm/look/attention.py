"""What the CLS token attends to, layer by layer and head by head."""

from typing import Any

import torch
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor

from ..models.layers.partial_layer import attention_rows


@torch.no_grad()
def attention_by_layer(model: Any, inputs: Tensor) -> Tensor | None:
    """The CLS query's attention to the patches, in every layer and head.

    Args:
        model: A model of mmpretrain, or one with its ``backbone``.
        inputs: Normalised pictures, ``(B, C, H, W)``.

    Returns:
        ``(B, layers, heads, L)`` in [0, 1], fp32; None if the encoder has no
        CLS token in layers of attention.
    """
    layers = layers_of(model)
    if not layers:
        return None
    found: list[Tensor] = []
    handles = [
        layer.ln1.register_forward_hook(
            lambda module, args, output: found.append(output)
        )
        for layer in layers
    ]
    try:
        model.extract_feat(inputs)
    finally:
        for handle in handles:
            handle.remove()
    rows = [
        attention_rows(layer.attn, normed)
        for layer, normed in zip(layers, found, strict=True)
    ]
    return torch.stack(rows, dim=1)


def layers_of(model: Any) -> list[Any]:
    """The layers of a ViT with a CLS token; none of any other encoder."""
    vit = getattr(model, 'backbone', None)
    if not isinstance(vit, VisionTransformer) or vit.cls_token is None:
        return []
    layers = [*vit.layers]
    # BEiT's layers have attention of another kind.
    plain = all(isinstance(x.attn, MultiheadAttention) for x in layers)
    return layers if plain else []
