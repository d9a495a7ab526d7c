"""A pre-trained encoder into a downstream model, every tensor accounted."""

import re
from typing import NamedTuple

from torch import Tensor, nn

#: Parts of a pre-trained encoder that a downstream ViT may do without.
UNUSED_BY_DESIGN = re.compile(r'cls_token|ln1\.\w+')
#: Parts that a downstream ViT may add: relative positions, layer scale, and
#: the norm behind mean-pooled patches.
NEW_BY_DESIGN = re.compile(r'.*\.rel_pos_[hw]|.*\.gamma[12]\.\w+|ln2\.\w+')
_TABLE = 'pos_embed'


class BackboneReport(NamedTuple):
    """What became of the tensors.

    Attributes:
        loaded: Names of the backbone's tensors that were loaded.
        new: Names of those that start fresh, as they are to.
        unused: The checkpoint's names that are not used, as it should be.
        partial: Names of either side that nothing explains.
        table: ``(from, to)`` sides of the position table, in patches, if it
            was resized.
        total: Tensors of the backbone.
    """

    loaded: list[str]
    new: list[str]
    unused: list[str]
    partial: list[str]
    table: tuple[int, int] | None
    total: int

    def __str__(self) -> str:
        resized = ''
        if self.table:
            a, b = self.table
            resized = f' (pos_embed {a}x{a} -> {b}x{b})'
        line = (
            f'loaded {len(self.loaded)} of {self.total} backbone tensors'
            f'{resized}; unused by design: {_summary(self.unused)}; '
            f'new: {_summary(self.new)}'
        )
        if self.partial:
            line += f'; unexplained: {_summary(self.partial)}'
        return line


def match_backbone(
    own: dict[str, Tensor],
    state: dict[str, Tensor],
    allow_partial: bool = False,
) -> tuple[dict[str, Tensor], BackboneReport]:
    """Find the tensors of an encoder that a ViT for another task takes.

    Args:
        own: The state of an mmpretrain ``VisionTransformer`` or a relative
            of it; on any device, ``meta`` too.
        state: A checkpoint's parameters by this project's names.
        allow_partial: Go on where tensors are missing, left over or of
            another shape without a reason.

    Returns:
        The tensors by their names in the backbone, and what became of each.

    Raises:
        ValueError: For such a tensor, unless they are allowed.
    """
    prefix = 'backbone.'
    state = {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }
    fits = {
        name: value
        for name, value in state.items()
        if name in own and (_fits(name, value, own[name]))
    }
    new = [n for n in own if n not in fits]
    unused = [n for n in state if n not in fits]
    explained = [
        n for n in unused if n not in own and UNUSED_BY_DESIGN.fullmatch(n)
    ]
    fresh = [n for n in new if NEW_BY_DESIGN.fullmatch(n)]
    report = BackboneReport(
        loaded=list(fits),
        new=fresh,
        unused=explained,
        partial=sorted({*new, *unused} - {*fresh, *explained}),
        table=_resized(state.get(_TABLE), own.get(_TABLE)),
        total=len(own),
    )
    if not fits or (report.partial and not allow_partial):
        name = report.partial[0]
        need, found = (
            tuple(part[name].shape) if name in part else 'nothing'
            for part in (own, state)
        )
        raise ValueError(
            f'{len(report.partial)} tensors of backbone or checkpoint are '
            f'unexplained, first {name}: the backbone has {need}, the '
            f'checkpoint {found}. Is it of the same width and depth? '
            '--allow-partial goes on with the rest'
        )
    return fits, report


def load_backbone(
    backbone: nn.Module,
    state: dict[str, Tensor],
    allow_partial: bool = False,
) -> BackboneReport:
    """Load an encoder into a ViT for a downstream task.

    Args:
        backbone: The ViT.
        state: See :func:`match_backbone`.
        allow_partial: Likewise.

    Raises:
        ValueError: If it does not fit; nothing was changed then.
    """
    fits, report = match_backbone(backbone.state_dict(), state, allow_partial)
    # The table is resized by the backbone's own hook.
    backbone.load_state_dict(fits, strict=False)
    return report


def _fits(name: str, value: Tensor, own: Tensor) -> bool:
    """Whether a tensor can be loaded; the table need only be as wide."""
    if name == _TABLE:
        return value.shape[-1] == own.shape[-1]
    return value.shape == own.shape


def _resized(
    found: Tensor | None, need: Tensor | None
) -> tuple[int, int] | None:
    """Sides of two position tables, if they differ."""
    if found is None or need is None:
        return None
    a, b = (int((t.numel() // t.shape[-1]) ** 0.5) for t in (found, need))
    return (a, b) if a != b else None


def _summary(names: list[str]) -> str:
    """``cls_token, ln1.*, rel_pos_h (12)``: names by their kinds."""
    kinds: dict[str, int] = {}
    for name in names:
        added = re.fullmatch(
            r'layers\.\d+\..*?(rel_pos_[hw]|gamma[12]).*', name
        )
        layer = re.match(r'layers\.\d+\.', name)
        if added:
            kind = added[1]
        elif layer:
            kind = f'{layer[0]}*'
        else:
            kind = re.sub(r'\.\w+$', '.*', name)
        kinds[kind] = kinds.get(kind, 0) + 1
    return (
        ', '.join(
            kind if count == 1 or kind.endswith('*') else f'{kind} ({count})'
            for kind, count in kinds.items()
        )
        or 'none'
    )
