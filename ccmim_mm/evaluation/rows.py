"""Rows that arrive batch by batch, in one block of memory."""

import torch
from torch import Tensor


class Rows:
    """A tensor that is filled from the front.

    A list of a batch's features each would cost many times their size: the
    allocator cannot give back what the batch's activations took between
    them.

    Args:
        total: Rows that there will be, at most.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.filled = 0
        self.block: Tensor | None = None

    def add(self, rows: Tensor) -> None:
        """Copy a batch ``(B, ...)`` to the end."""
        if self.block is None:
            self.block = rows.new_empty(self.total, *rows.shape[1:])
        self.block[self.filled : self.filled + len(rows)] = rows
        self.filled += len(rows)

    def rows(self) -> Tensor:
        """What was added, ``(N, ...)``; a view.

        Raises:
            ValueError: If nothing was.
        """
        if self.block is None:
            raise ValueError('no rows were added')
        return self.block[: self.filled]


def finite_rows(features: Tensor) -> Tensor:
    """Which rows of ``(N, C)`` have no NaN and no infinity, ``(N,)``."""
    return torch.isfinite(features).all(1)


def check_finite_rows(*features: Tensor) -> None:
    """Refuse features that no figure can be made of.

    Args:
        features: ``(N, C)`` each.

    Raises:
        ValueError: If there are none, or some are not finite.
    """
    for part in features:
        broken = len(part) - int(finite_rows(part).sum())
        if broken or not len(part):
            raise ValueError(
                f'{broken} of {len(part)} features are not finite: leave '
                'them out'
            )
