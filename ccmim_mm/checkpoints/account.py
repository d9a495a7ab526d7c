"""What became of the tensors of a checkpoint, for people."""

import re
from typing import NamedTuple


class Account(NamedTuple):
    """What became of the tensors.

    Attributes:
        what: The target, for people.
        loaded: Names of the target's tensors that were loaded.
        new: Names of those that start fresh, as they may.
        unused: The checkpoint's names that are not used, as they may.
        unexplained: Names of either side that nothing explains.
        table: ``(from, to)`` of the position table, if it is resized: ``4 x
            4``, or of no square how many patches.
        total: Tensors of the target.
        heads: Whether the checkpoint told the number of attention heads,
            which is the target's then; without it the target's is a guess.
    """

    what: str
    loaded: list[str]
    new: list[str]
    unused: list[str]
    unexplained: list[str]
    table: tuple[str, str] | None
    total: int
    heads: bool = True

    def __str__(self) -> str:
        resized = ''
        if self.table:
            a, b = (words.replace(' ', '') for words in self.table)
            resized = f' (pos_embed {a} -> {b})'
        line = (
            f'loaded {len(self.loaded)} of {self.total} {self.what}'
            f'{resized}; unused by design: {_summary(self.unused)}; '
            f'new: {_summary(self.new)}'
        )
        if self.unexplained:
            line += f'; unexplained: {_summary(self.unexplained)}'
        if not self.heads:
            line += "; num_heads is the config's, the file does not tell"
        return line


def _summary(names: list[str]) -> str:
    """``cls_token, ln1.*, rel_pos_h (12), neck.* (29)``: names by kind."""
    kinds: dict[str, int] = {}
    for name in names:
        added = re.fullmatch(r'.*?(rel_pos_[hw]|gamma[12]).*', name)
        layer = re.match(r'(?:backbone\.)?layers\.\d+\.', name)
        part = re.match(r'(?!backbone\.|ln\d)\w+\.', name)
        if added:
            kind = added[1]
        elif found := layer or part:
            kind = f'{found[0]}*'
        else:
            kind = re.sub(r'\.\w+$', '.*', name)
        kinds[kind] = kinds.get(kind, 0) + 1
    uncounted = re.compile(r'ln\d.*|.*layers\.\d+\.\*')
    return (
        ', '.join(
            kind
            if count == 1 or uncounted.fullmatch(kind)
            else f'{kind} ({count})'
            for kind, count in kinds.items()
        )
        or 'none'
    )
