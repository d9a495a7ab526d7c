"""What a plain ViT makes of some patches of pictures."""

import torch
from mmpretrain.models import VisionTransformer
from torch import Tensor

from ..layers import gather_tokens


def encode_visible(
    vit: VisionTransformer, inputs: Tensor, ids_visible: Tensor
) -> Tensor:
    """Encode the visible patches alone, as MAE does.

    Args:
        vit: With a CLS token and positions, and nothing else in front.
        inputs: Normalised pictures, ``(B, C, H, W)``.
        ids_visible: Which patches it sees, ``(B, V)``.

    Returns:
        ``(B, V + 1, C)`` after the final norm, CLS first.
    """
    tokens = vit.patch_embed(inputs)[0] + vit.pos_embed[:, 1:]
    cls_token = vit.cls_token + vit.pos_embed[:, :1]
    cls_token = cls_token.expand(len(tokens), -1, -1)
    x = torch.cat((cls_token, gather_tokens(tokens, ids_visible)), dim=1)
    for layer in vit.layers:
        x = layer(x)
    return vit.ln1(x)
