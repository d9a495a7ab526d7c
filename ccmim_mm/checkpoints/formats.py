"""Checkpoints of other projects, by name: pure functions on state dicts.

Formats:
    ``project``: this project's (and mmpretrain's) names.
    ``ccmim``: the authors' release; encoder, decoder and projector.
    ``mae``: the official MAE; encoder and decoder.
    ``timm``: a timm ViT; the encoder.

Tensors are renamed and never touched: every layout is the same, fixed
position tables are carried along, and a round trip is exact to the bit.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

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
    depth = 1 + max(
        (int(m[1]) for name in state if (m := found.match(name))), default=0
    )
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
