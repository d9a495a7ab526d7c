"""What one check found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A line, and the cure of what needs one.

    Attributes:
        level: ``note`` is what some use lacks, ``broken`` what none can do
            without.
        text: What was found.
        cure: What to do about it.
    """

    level: Literal['ok', 'note', 'broken']
    text: str
    cure: str = ''

    def __str__(self) -> str:
        cure = f'\n        -> {self.cure}' if self.cure else ''
        return f'{self.level:<8}{self.text}{cure}'
