"""Checkpoints of other projects, by name: pure functions on state dicts.

Formats:
    ``project``: this project's (and mmpretrain's) names.
    ``ccmim``: the authors' release; encoder, decoder and projector.
    ``mae``: the official MAE; encoder and decoder.
    ``timm``: a timm ViT; the encoder. Also DeiT-III's, by timm's names or
        its own.

Tensors are renamed and not touched: every layout is the same, fixed position
tables are carried along, and a round trip is exact to the bit. DeiT-III alone
is brought into the shape of the others, for good: a table without a place for
the CLS token gets a zero there, and layer scale goes into the weights that it
scales, the same function to rounding.
"""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

Pairs = list[tuple[str, str]]

_LAYER: Pairs = [
    ('ln1', 'norm1'),
    ('attn.qkv', 'attn.qkv'),
    ('attn.proj', 'attn.proj'),
    ('ln2', 'norm2'),
    ('ffn.layers.0.0', 'mlp.fc1'),
    ('ffn.layers.1', 'mlp.fc2'),
]
_ENCODER: Pairs = [
    ('backbone.cls_token', 'cls_token'),
    ('backbone.pos_embed', 'pos_embed'),
    ('backbone.patch_embed.projection', 'patch_embed.proj'),
    *((f'backbone.layers.#.{a}', f'blocks.#.{b}') for a, b in _LAYER),
    ('backbone.ln1', 'norm'),
]
_DECODER: Pairs = [
    ('neck.mask_token', 'mask_token'),
    ('neck.decoder_pos_embed', 'decoder_pos_embed'),
    ('neck.decoder_embed', 'decoder_embed'),
    *(
        (f'neck.decoder_blocks.#.{a}', f'decoder_blocks.#.{b}')
        for a, b in _LAYER
    ),
    ('neck.ln1', 'decoder_norm'),
    ('neck.decoder_pred', 'decoder_pred'),
]
_PROJECTOR: Pairs = [
    ('align_head.projector.fc0', 'projector.0'),
    ('align_head.projector.bn0', 'projector.1'),
    ('align_head.projector.fc1', 'projector.3'),
    ('align_head.projector.bn1', 'projector.4'),
]
_PAIRS: dict[str, Pairs] = dict(
    ccmim=_ENCODER + _DECODER + _PROJECTOR,
    mae=_ENCODER + _DECODER,
    timm=_ENCODER,
)
FORMATS = ('project', *_PAIRS)

#: What a format may hold beside the parts that it shares with the others: a
#: classifier, or parts of this project that the other format has not.
_LEFT_OUT = dict(
    ccmim=('backbone.mask_token',),
    mae=('head.', 'align_head.', 'backbone.mask_token'),
    timm=('head.', 'align_head.', 'neck.', 'backbone.mask_token'),
)


class Conversion(NamedTuple):
    """The outcome of a conversion.

    Attributes:
        state: Parameters by their new names.
        left_out: Old names of those that the new format has no place for.
    """

    state: dict[str, Tensor]
    left_out: list[str]


def convert(state: dict[str, Tensor], source: str, target: str) -> Conversion:
    """Rename a checkpoint's parameters.

    Args:
        state: Parameters by name.
        source: Their format, one of ``FORMATS``.
        target: The format wanted.

    Raises:
        ValueError: If a name is of neither the source's parts nor those
            known to be left out, or part of the encoder is missing.
    """
    left_out: list[str] = []
    if source != 'project':
        pairs = [(theirs, ours) for ours, theirs in _PAIRS[source]]
        if source == 'timm':
            state = _plain_vit(state)
        state, dropped = _rename(state, pairs, _LEFT_OUT[source])
        left_out += dropped
    _check_encoder(state)
    if target != 'project':
        left = _LEFT_OUT[target]
        state, dropped = _rename(state, _PAIRS[target], left)
        left_out += dropped
    return Conversion(state, left_out)


def detect_format(names: Iterable[str]) -> str:
    """Tell a checkpoint's format by its names.

    Raises:
        ValueError: If it is none of ``FORMATS``.
    """
    names = list(names)
    for form, prefix in (
        ('project', 'backbone.'),
        ('ccmim', 'projector.'),
        ('mae', 'decoder_blocks.'),
        ('timm', 'blocks.'),
    ):
        if any(name.startswith(prefix) for name in names):
            return form
    raise ValueError(
        f'names like {", ".join(names[:3])} are of none of the formats '
        f'{", ".join(FORMATS)}'
    )


#: Layer scale by timm's names and by DeiT's, and what each scales.
_SCALES = re.compile(r'(blocks\.\d+\.)(?:ls([12])\.gamma|gamma_([12]))')
_SCALED = {'1': 'attn.proj', '2': 'mlp.fc2'}


def _plain_vit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A timm ViT without layer scale, and with a place for the CLS token.

    Raises:
        ValueError: If there is nothing of that shape to scale.
    """
    plain = dict(state)
    table = plain.get('pos_embed')
    if table is not None and table.ndim == 3 and is_square(table.shape[1]):
        # timm's no_embed_class: the CLS token has no position.
        plain['pos_embed'] = F.pad(table, (0, 0, 1, 0))
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


def is_square(count: int) -> bool:
    """Whether so many patches are a square of them."""
    return count > 0 and math.isqrt(count) ** 2 == count


def _rename(
    state: dict[str, Tensor], pairs: Pairs, may_be_left_out: tuple[str, ...]
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename by ``pairs``, in which ``#`` stands for a layer's number."""
    rules = [
        (
            re.compile(re.escape(old).replace(r'\#', r'(\d+)') + r'(\.\w+)?'),
            new,
        )
        for old, new in pairs
    ]
    renamed: dict[str, Tensor] = {}
    left_out: list[str] = []
    unknown: list[str] = []
    for name, value in state.items():
        for rule, new in rules:
            if match := rule.fullmatch(name):
                *number, leaf = match.groups(default='')
                renamed[new.replace('#', ''.join(number)) + leaf] = value
                break
        else:
            known = name.startswith(may_be_left_out)
            (left_out if known else unknown).append(name)
    if unknown:
        raise ValueError(
            f'{len(unknown)} of {len(state)} tensors are unexplained: '
            f'{", ".join(unknown[:5])}. Is the format right?'
        )
    return renamed, left_out


def _check_encoder(state: dict[str, Tensor]) -> None:
    """Refuse an encoder that is not whole, whatever else there is."""
    found = re.compile(r'backbone\.layers\.(\d+)\.')
    # As many as there are: a file may call one layer a billion.
    depth = len({m[1] for name in state if (m := found.match(name))}) or 1
    needed = ['backbone.cls_token', 'backbone.pos_embed']
    modules = ['backbone.patch_embed.projection', 'backbone.ln1']
    modules += [
        f'backbone.layers.{i}.{part}'
        for i in range(depth)
        for part, _ in _LAYER
    ]
    needed += [f'{m}.{leaf}' for m in modules for leaf in ('weight', 'bias')]
    missing = [name for name in needed if name not in state]
    if missing:
        raise ValueError(
            f'{len(missing)} tensors of the encoder are missing, by this '
            f"project's names: {', '.join(missing[:5])}"
        )
