"""Which tensors of a checkpoint a model takes, and which may be left over."""

import math
import re
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .account import Account
from .shapes import is_square

_TABLE = re.compile(r'(?:.*\.)?pos_embed')
_NOTHING = re.compile(r'(?!)')
PARTIAL = ' --allow-partial goes on with the rest'


class Policy(NamedTuple):
    """Which tensors may be left over, by their names in the target.

    Attributes:
        what: The target, for people.
        prefix: Of the checkpoint's names that are meant for the target.
        new: The target's tensors that may start fresh.
        unused: The checkpoint's tensors that may go unused.
        resize: Whether a position table may come from another size.
        remedy: What helps where something is left over, for people.
    """

    what: str
    prefix: str
    new: re.Pattern
    unused: re.Pattern
    resize: bool
    remedy: str


#: An encoder into a ViT for another task. It may do without the CLS token
#: and the final norm, and add relative positions, layer scale, and the norm
#: behind mean-pooled patches.
INTO_BACKBONE = Policy(
    what='backbone tensors',
    prefix='backbone.',
    new=re.compile(r'.*\.rel_pos_[hw]|.*\.gamma[12]\.\w+|ln2\.\w+'),
    unused=re.compile(r'cls_token|mask_token|ln[12]\.\w+'),
    resize=True,
    remedy=PARTIAL,
)
#: The same encoder, whole. It may have been trained with a token for masked
#: patches.
ENCODER = INTO_BACKBONE._replace(
    what='encoder tensors',
    new=_NOTHING,
    unused=re.compile(r'mask_token'),
    remedy='',
)
#: A checkpoint to be judged: every tensor of the model must be in it.
TO_TEST = Policy(
    what='tensors',
    prefix='',
    new=_NOTHING,
    unused=re.compile(r'(?!backbone\.).*|backbone\.mask_token'),
    resize=False,
    remedy='',
)
#: A run that goes on: every tensor, as it was.
TO_RESUME = Policy(
    what='tensors',
    prefix='',
    new=_NOTHING,
    unused=_NOTHING,
    resize=False,
    remedy=' --pretrained starts a new run from its weights',
)


def without(prefix: str, named: dict[str, Any]) -> dict[str, Any]:
    """What is named so, by the rest of the name."""
    return {
        name.removeprefix(prefix): value
        for name, value in named.items()
        if name.startswith(prefix)
    }


def match(
    own: dict[str, Tensor],
    state: dict[str, Tensor],
    policy: Policy,
    allow_partial: bool = False,
) -> tuple[dict[str, Tensor], Account]:
    """Find the tensors of a checkpoint that a target takes.

    Args:
        own: The target's state, on any device, ``meta`` too.
        state: The checkpoint's parameters.
        policy: What may be left over.
        allow_partial: Go on whatever is.

    Returns:
        The tensors by their names in the target, and what became of each.

    Raises:
        ValueError: For a tensor that nothing explains, unless allowed, and
            for whole numbers where others belong, or the other way round.
    """
    state = without(policy.prefix, state)
    _check_kinds(own, state)
    fits = {
        name: value
        for name, value in state.items()
        if name in own and _fits(name, value, own, policy)
    }
    # A part that may start fresh is loaded whole, or it is another one.
    broken = {
        _part(n)
        for n in own
        # A backbone's additions are no parts of it.
        if not policy.prefix
        and policy.new.fullmatch(n)
        and n not in fits
        and not _is_table(n)
    }
    for name in [n for n in fits if policy.new.fullmatch(n)]:
        if _part(name) in broken:
            del fits[name]
    parts = {_part(n) for n in fits}
    new = [n for n in own if n not in fits]
    unused = [n for n in state if n not in fits]
    fresh = [n for n in new if policy.new.fullmatch(n)]
    explained = [
        n
        for n in unused
        if n in fresh
        or (
            n not in own
            and policy.unused.fullmatch(n)
            and (_part(n) not in parts or n.endswith('mask_token'))
        )
    ]
    account = Account(
        what=policy.what,
        loaded=list(fits),
        new=fresh,
        unused=explained,
        unexplained=sorted({*new, *unused} - {*fresh, *explained}),
        table=_resized(fits, own),
        total=len(own),
    )
    if not fits or (account.unexplained and not allow_partial):
        raise ValueError(_complaint(account, own, state, policy))
    return fits, account


def _check_kinds(own: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Refuse numbers that would have to be cast into something else."""
    for name, value in state.items():
        if name in own and (
            value.is_floating_point() != own[name].is_floating_point()
            or (value.dtype is torch.bool) != (own[name].dtype is torch.bool)
        ):
            raise ValueError(
                f'{name} is of {value.dtype}, the model has {own[name].dtype}:'
                ' if the checkpoint is quantized, dequantize it first'
            )


def _fits(
    name: str, value: Tensor, own: dict[str, Tensor], policy: Policy
) -> bool:
    """Whether a tensor can be loaded; a table need only be as wide."""
    need = own[name].shape
    if value.shape == need or not (policy.resize and _TABLE.fullmatch(name)):
        return value.shape == need
    slot = f'{name.removesuffix("pos_embed")}cls_token' in own
    return _resizes(value.shape, need, slot)


def _resizes(found: torch.Size, own: torch.Size, slot: bool) -> bool:
    """Whether a backbone can bring a position table to its own size.

    Args:
        found: ``(1, 1 + L, C)``, CLS slot first and L a square; or
            ``(1, H, W, C)``, for a backbone that has it so.
        own: The backbone's.
        slot: Whether its table has a place for the CLS token. A length does
            not tell: 4 x 6 patches and the CLS token are 25.
    """
    if found[:1] != own[:1] or found[-1:] != own[-1:]:
        return False
    if len(found) == 4:
        return len(own) == 4 and min(found) > 0
    if len(found) != 3 or not is_square(found[1] - 1):
        return False
    # A table without a CLS slot is cut to, not resized to.
    return len(own) == 4 or slot or own[1] == found[1] - 1


def _is_table(name: str) -> bool:
    """A table of positions, which depends on the picture's size."""
    return name.endswith('pos_embed')


def _part(name: str) -> str:
    """``neck`` of ``neck.decoder_blocks.0.ln1.weight``."""
    return name.partition('.')[0]


def _complaint(
    account: Account,
    own: dict[str, Tensor],
    state: dict[str, Tensor],
    policy: Policy,
) -> str:
    names = account.unexplained or list(own)
    name = names[0]
    need, found = (
        tuple(part[name].shape) if name in part else 'nothing'
        for part in (own, state)
    )
    asked = 'Is it of the same architecture, width and depth?'
    other = _other_pictures(own, state)
    return (
        f'{len(names)} tensors of model or checkpoint are unexplained, first '
        f'{name}: the model has {need}, the checkpoint {found}. '
        f'{other or asked}{policy.remedy}'
    )


def _other_pictures(own: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """What tells that a checkpoint is of other pictures, and what helps."""
    for name in state.keys() & own.keys():
        found, need = state[name].shape, own[name].shape
        if name.endswith('patch_embed.projection.weight') and (
            len(found) == len(need) > 1 and found[1] != need[1]
        ):
            return (
                f'It is for pictures of {found[1]} channels: --channels '
                f'{found[1]} trains on such.'
            )
        if (
            _TABLE.fullmatch(name)
            and len(found) == len(need) == 3
            and (found[1] != need[1] and not is_square(found[1] - 1))
        ):
            return (
                f'Its {found[1] - 1} patches are no square, and its positions '
                'do not tell their rows: --img-size HEIGHTxWIDTH takes '
                'pictures of its size.'
            )
    return ''


def _resized(
    state: dict[str, Tensor], own: dict[str, Tensor]
) -> tuple[str, str] | None:
    """The encoder's two position tables in words, if they differ."""
    for name in ('pos_embed', 'backbone.pos_embed'):
        if name in state and name in own:
            # What is resized has the CLS token's place.
            slot = f'{name.removesuffix("pos_embed")}cls_token' in own
            a, b = _positions(state[name], True), _positions(own[name], slot)
            return (a, b) if a != b else None
    return None


def _positions(table: Tensor, slot: bool) -> str:
    """``4 x 4`` or, of no square, how many patches."""
    count = table.numel() // table.shape[-1] - (table.ndim == 3 and slot)
    side = math.isqrt(count)
    return f'{side} x {side}' if is_square(count) else str(count)
