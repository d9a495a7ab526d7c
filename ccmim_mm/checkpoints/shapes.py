"""What brings a state into the shape of the others, around its renaming."""

import math
import re

import torch
import torch.nn.functional as F
from torch import Tensor


def is_square(count: int) -> bool:
    """Whether so many patches are a square of them."""
    return count > 0 and math.isqrt(count) ** 2 == count


#: Layer scale by timm's names and by DeiT's, and what each scales.
_SCALES = re.compile(r'(blocks\.\d+\.)(?:ls([12])\.gamma|gamma_([12]))')
_CHUNK = re.compile(r'^blocks\.\d+\.(\d+)\.')
_SCALED = {'1': 'attn.proj', '2': 'mlp.fc2'}


def with_class_position(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A timm ViT that is said to have been made with ``no_embed_class``.

    Returns:
        It with a zero in front of its positions, ``(1, L, C)``, for the CLS
        token; as it is where L is no square or the zero is there.
    """
    table = state.get('pos_embed')
    if (
        table is None
        or table.ndim != 3
        or not is_square(table.shape[1])
        or not table[:, 0].any()
    ):
        return state
    return state | {'pos_embed': F.pad(table, (0, 0, 1, 0))}


def _plain_vit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A timm ViT without layer scale, and with a place for the CLS token.

    Raises:
        ValueError: If there is nothing of that shape to scale, or there are
            registers.
    """
    for name in state:
        if name.endswith(('register_tokens', 'reg_token')):
            raise ValueError(
                f'it has registers ({name}), which this encoder has no place '
                'for: take the checkpoint that was trained without them'
            )
    plain = dict(state)
    # Of DeiT-III. No length tells: of 4 x 6 patches and a CLS token there are
    # 25, too.
    if any(map(_SCALES.fullmatch, state)):
        plain = with_class_position(plain)
    for name, gamma in state.items():
        if not (found := _SCALES.fullmatch(name)):
            continue
        module = found[1] + _SCALED[found[2] or found[3]]
        weight, bias = (
            plain.get(f'{module}.{leaf}') for leaf in ('weight', 'bias')
        )
        if (
            weight is None
            or bias is None
            or weight.ndim != 2
            or not gamma.shape == bias.shape == weight.shape[:1]
            or not all(t.is_floating_point() for t in (gamma, weight, bias))
        ):
            raise ValueError(f'{name} finds no {module} of its size to scale')
        plain[f'{module}.weight'] = gamma[:, None] * weight
        plain[f'{module}.bias'] = gamma * bias
        del plain[name]
    return plain


def _of_dino(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A DINO or DINOv2 by the names of its encoder alone.

    Without the wrapper of several processes, which some have, and the chunks
    that DINOv2's blocks lie in when they are sharded.
    """
    return _plain_vit(
        {
            _CHUNK.sub(
                r'blocks.\1.',
                name.removeprefix('module.').removeprefix('backbone.'),
            ): value
            for name, value in state.items()
        }
    )


def _batched(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A CLIP with the names and dimensions of its visual transformer.

    Its file may be of that alone, and then says nothing of ``visual``.
    """
    if not any(name.startswith('visual.') for name in state):
        state = {f'visual.{name}': value for name, value in state.items()}
    dimensions = {
        'visual.class_embedding': 1,
        'visual.positional_embedding': 2,
    }
    return {
        name: value.reshape((1,) * (3 - value.ndim) + value.shape)
        if value.ndim == dimensions.get(name)
        else value
        for name, value in state.items()
    }


#: Where transformers keeps queries, keys and values, in this order.
_ATTENTION = 'attention.attention.'
_THREE = ('query', 'key', 'value')
#: What transformers 5.24 calls them when it saves a ViTMAE, and 4 calls them.
_SAVED_BY_5 = ('decoder.decoder_encoder.layer.', 'decoder.decoder_layers.')


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ViT of transformers with queries, keys and values in one tensor.

    And by the names of the encoder alone, which models for a task have
    under ``vit``; and of the decoder's layers in transformers 4.
    """
    state = {
        name.removeprefix('vit.').replace(*_SAVED_BY_5): value
        for name, value in state.items()
    }
    joined = dict(state)
    for name in state:
        layer, found, leaf = name.partition(f'{_ATTENTION}query.')
        if not found:
            continue
        names = [f'{layer}{_ATTENTION}{part}.{leaf}' for part in _THREE]
        parts = [state[n] for n in names if n in state]
        # What does not fit stays, and is unexplained.
        if len({p.shape for p in parts}) == 1 and len(parts) == len(_THREE):
            for part in names:
                del joined[part]
            joined[f'{layer}{_ATTENTION}qkv.{leaf}'] = torch.cat(parts)
    return joined


def _split(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The way back: queries, keys and values, a tensor each."""
    split: dict[str, Tensor] = {}
    for name, value in state.items():
        layer, found, leaf = name.partition(f'{_ATTENTION}qkv.')
        if not found:
            split[name] = value
            continue
        for part, rows in zip(_THREE, value.chunk(3), strict=True):
            # No view: each is to be written by itself.
            split[f'{layer}{_ATTENTION}{part}.{leaf}'] = rows.clone()
    return split


def _split_mae(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Likewise, with the encoder where ViTMAEForPreTraining has it."""
    return {
        name if name.startswith('decoder.') else f'vit.{name}': value
        for name, value in _split(state).items()
    }


#: What makes a state like the others, before it is renamed.
MADE_LIKE = dict(
    timm=_plain_vit,
    dino=_of_dino,
    clip_visual=_batched,
    hf=_joined,
    hf_mae=_joined,
)
#: What makes it into the format's own, after it is renamed.
MADE_INTO = dict(hf=_split, hf_mae=_split_mae)
