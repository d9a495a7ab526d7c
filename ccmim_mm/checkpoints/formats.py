"""Checkpoints of other projects, by name: pure functions on state dicts.

Formats:
    ``project``: this project's (and mmpretrain's) names.
    ``ccmim``: the authors' release; encoder, decoder and projector.
    ``mae``: the official MAE; encoder and decoder.
    ``timm``: a timm ViT; the encoder. Also DeiT-III's, by timm's names or
        its own, and DINO's encoder alone.
    ``dino``: DINO's full checkpoint; the teacher's encoder. To read alone,
        as are the next two.
    ``mocov3``: the official MoCo v3; the base encoder, not its average.
    ``clip_visual``: CLIP's visual transformer, alone or beside the text's,
        as a plain state dict; with the norm in front (``pre_norm``).

Tensors are renamed and not touched: every layout is the same, fixed position
tables are carried along, and a round trip is exact to the bit. CLIP's CLS
token and positions get the dimensions that the others have. DeiT-III alone is
brought into the shape of the others, for good: a table without a place for
the CLS token gets a zero there, and layer scale goes into the weights that it
scales, the same function to rounding.
"""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from .names import FORMATS, LAYER, LEFT_OUT, MOCO, PAIRS, READ_ALONE, Pairs


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
    left_out: list[str] = []
    if target in READ_ALONE:
        raise ValueError(f'the format {target} is read, and not written')
    if source != 'project':
        pairs = [(theirs, ours) for ours, theirs in PAIRS[source]]
        if source in _MADE_LIKE:
            state = _MADE_LIKE[source](state)
        state, dropped = _rename(state, pairs, LEFT_OUT[source])
        left_out += dropped
    _check_encoder(state)
    if target != 'project':
        left = LEFT_OUT[target]
        state, dropped = _rename(state, PAIRS[target], left)
        left_out += dropped
    return Conversion(state, left_out)


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


def _of_one_process(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the wrapper of several processes, which some have."""
    return {n.removeprefix('module.'): value for n, value in state.items()}


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


#: What makes a state like the others, before it is renamed.
_MADE_LIKE = dict(timm=_plain_vit, dino=_of_one_process, clip_visual=_batched)


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
