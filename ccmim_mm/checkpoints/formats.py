"""Checkpoints of other projects, by name: pure functions on state dicts.

Formats:
    ``project``: this project's (and mmpretrain's) names.
    ``ccmim``: the authors' release; encoder, decoder and projector.
    ``mae``: the official MAE; encoder and decoder.
    ``timm``: a timm ViT; the encoder. Also DeiT-III's, by timm's names or
        its own, and the encoder alone of DINO and DINOv2.
    ``hf``: the ViT of Hugging Face's transformers; the encoder.
    ``hf_mae``: its ViTMAEForPreTraining; encoder and decoder.
    ``dino``: DINO's or DINOv2's full checkpoint; the teacher's encoder. To
        read alone, as are the next two.
    ``mocov3``: the official MoCo v3; the base encoder, not its average.
    ``clip_visual``: CLIP's visual transformer, alone or beside the text's,
        as a plain state dict; with the norm in front (``pre_norm``).

Tensors are renamed and not touched: every layout is the same, fixed position
tables are carried along, and a round trip is exact to the bit. CLIP's CLS
token and positions get the dimensions that the others have, and transformers'
queries, keys and values stand in one tensor here. DeiT-III and DINOv2 alone
are brought into the shape of the others, for good: a table that is said to be
without a place for the CLS token gets a zero there, and layer scale goes into
the weights that it scales, the same function to rounding.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from .names import FORMATS, LAYER, LEFT_OUT, MOCO, PAIRS, READ_ALONE, Pairs
from .shapes import MADE_INTO, MADE_LIKE


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
            known to be left out, part of the encoder is missing, or the
            target is a format to read alone.
    """
    if target in READ_ALONE:
        raise ValueError(f'the format {target} is read, and not written')
    state, dropped = to_project(state, source)
    left_out = [*dropped]
    if target != 'project':
        left = LEFT_OUT[target]
        state, dropped = _rename(state, PAIRS[target], left)
        left_out += dropped
        if target in MADE_INTO:
            state = MADE_INTO[target](state)
    return Conversion(state, left_out)


def to_project(
    state: dict[str, Tensor], source: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """By this project's names, and what it has no place for by the old ones.

    Raises:
        ValueError: See :func:`convert`.
    """
    left_out: dict[str, Tensor] = {}
    if source != 'project':
        pairs = [(theirs, ours) for ours, theirs in PAIRS[source]]
        if source in MADE_LIKE:
            state = MADE_LIKE[source](state)
        state, left_out = _rename(state, pairs, LEFT_OUT[source])
    _check_encoder(state)
    return state, left_out


def detect_format(names: Iterable[str]) -> str:
    """Tell a checkpoint's format by its names.

    Raises:
        ValueError: If it is none of ``FORMATS``.
    """
    names = list(names)
    for form, prefix in (
        ('mocov3', MOCO),
        ('dino', 'module.backbone.blocks.'),
        ('dino', 'backbone.blocks.'),
        ('clip_visual', 'visual.transformer.'),
        ('clip_visual', 'transformer.resblocks.'),
        ('project', 'backbone.'),
        ('hf_mae', 'decoder.decoder_'),
        ('hf', 'vit.encoder.layer.'),
        ('hf', 'encoder.layer.'),
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
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rename by ``pairs``, in which ``#`` stands for a layer's number."""
    rules = [
        (
            re.compile(re.escape(old).replace(r'\#', r'(\d+)') + r'(\.\w+)?'),
            new,
        )
        for old, new in pairs
    ]
    renamed: dict[str, Tensor] = {}
    left_out: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, value in state.items():
        for rule, new in rules:
            if match := rule.fullmatch(name):
                *number, leaf = match.groups(default='')
                renamed[new.replace('#', ''.join(number)) + leaf] = value
                break
        else:
            if name.startswith(may_be_left_out):
                left_out[name] = value
            else:
                unknown.append(name)
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
        for part, _ in LAYER
    ]
    needed += [f'{m}.{leaf}' for m in modules for leaf in ('weight', 'bias')]
    if 'backbone.pre_norm.weight' in state:
        # CLIP's: what is normed at once needs no bias.
        needed.remove('backbone.patch_embed.projection.bias')
    missing = [name for name in needed if name not in state]
    if missing:
        raise ValueError(
            f'{len(missing)} tensors of the encoder are missing, by this '
            f"project's names: {', '.join(missing[:5])}"
        )
