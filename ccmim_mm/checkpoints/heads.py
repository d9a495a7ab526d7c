"""The number of attention heads, which no parameter's shape tells."""

import re
from collections.abc import Collection
from typing import Any

from mmpretrain.models.backbones.vit_sam import Attention
from mmpretrain.models.utils import (
    BEiTAttention,
    MultiheadAttention,
    WindowMSA,
    WindowMSAV2,
)
from torch import Tensor, nn

_ATTENTION = (
    MultiheadAttention,
    BEiTAttention,
    Attention,
    WindowMSA,
    WindowMSAV2,
    nn.MultiheadAttention,
)

#: Heads of the usual sizes, by width. They are 64 wide but in ViT-H.
USUAL_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}
#: MoCo v3's, by its code (ViT-S and ViT-B) and mmpretrain's config of ViT-L.
_MOCO_HEADS = {384: 12, 768: 12, 1024: 16}


def heads_of(model: nn.Module) -> dict[str, int]:
    """The number of heads of every attention, by the module's name.

    Of the attention of torch, of mmpretrain's plain, BEiT, Swin and SAM
    models, and so of this project's; what else there is goes untold.

    Args:
        model: The model, out of its wrappers.
    """
    return {
        name: module.num_heads
        for name, module in model.named_modules()
        if isinstance(module, _ATTENTION)
    }


def told_heads(meta: Any) -> dict[str, int]:
    """The heads that a checkpoint's ``meta`` tells, nothing if it does not.

    Raises:
        ValueError: If they are no numbers by name.
    """
    heads = meta.get('heads') if isinstance(meta, dict) else None
    if heads is None:
        return {}
    if not isinstance(heads, dict) or not all(
        isinstance(name, str) and type(count) is int and count > 0
        for name, count in heads.items()
    ):
        raise ValueError('its meta.heads are not numbers by name')
    return dict(heads)


def moco_heads(state: dict[str, Tensor]) -> dict[str, int]:
    """The heads of an official MoCo v3, which its file does not tell.

    Nothing of a width that it has not. Its ViT-S has 12, and others' has 6.

    Args:
        state: Its parameters by this project's names.
    """
    count = _MOCO_HEADS.get(state['backbone.cls_token'].shape[-1])
    if count is None:
        return {}
    attention = re.compile(r'(backbone\.layers\.\d+\.attn)\.qkv\.weight')
    return {m[1]: count for name in state if (m := attention.fullmatch(name))}


def check_heads(
    model: nn.Module, told: dict[str, int], loaded: Collection[str]
) -> bool:
    """Compare a model with what a checkpoint tells of its heads.

    Args:
        model: The model, or a part of it.
        told: By the names of its attention modules.
        loaded: The model's tensors that are loaded; what starts fresh may
            have other heads.

    Returns:
        Whether it tells of all of them.

    Raises:
        ValueError: For another number of heads: shapes agree, and every
            weight would mean something else.
    """
    own = {
        name: count
        for name, count in heads_of(model).items()
        if any(tensor.startswith(f'{name}.') for tensor in loaded)
    }
    for name, count in own.items():
        if told.get(name, count) != count:
            raise ValueError(
                f'{name} has {count} heads here and {told[name]} in the '
                'checkpoint: set num_heads in the config to its number'
            )
    return own.keys() <= told.keys()
