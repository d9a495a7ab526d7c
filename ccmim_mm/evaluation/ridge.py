"""Ridge regression of latents from latents, the same at all positions."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .rows import check_finite_rows

#: Penalties that are tried, five decades, times the mean eigenvalue of the
#: inputs' moments.
PENALTIES = tuple(10.0**exponent for exponent in range(-4, 2))
FOLDS = 5


class Regression(NamedTuple):
    """A linear map from latents to latents, the same at all positions.

    Attributes:
        weight: ``(C, D)``.
        mean_in: Mean of the inputs at each position, ``(L, C)``.
        mean_out: Of the outputs, ``(L, D)``.
        penalty: The one of :data:`PENALTIES` that was chosen.
    """

    weight: Tensor
    mean_in: Tensor
    mean_out: Tensor
    penalty: float

    def predict(self, latents: Tensor) -> Tensor:
        """Outputs ``(N, L, D)`` of inputs ``(N, L, C)``."""
        return (latents - self.mean_in) @ self.weight + self.mean_out


class _Moments(NamedTuple):
    """Second moments of inputs, and of them with T outputs, about means."""

    inputs: Tensor  # (C, C)
    cross: Tensor  # (T, C, D)
    outputs: Tensor  # (T,), traces


def regress(mixed: Tensor, targets: Sequence[Tensor]) -> list[Regression]:
    """Ridge regression of latents, its penalty by cross-validation.

    One matrix serves all positions, and each position's mean over the pairs
    is taken off first: it is the same in mixtures and pictures, and a fit of
    it would be no separation. Folds are of whole pairs, in their order.

    Args:
        mixed: Inputs, ``(N, L, C)``, N >= :data:`FOLDS`.
        targets: Outputs, ``(N, L, D)`` each.

    Returns:
        One for each target, fp32.

    Raises:
        ValueError: If there are fewer pairs than folds, latents are not
            finite, or the inputs are alike.
    """
    if len(mixed) < FOLDS:
        raise ValueError(f'{len(mixed)} pairs: fit on {FOLDS} or more')
    check_finite_rows(*(part.flatten(1) for part in (mixed, *targets)))
    mean_in = mixed.mean(0)
    means_out = [target.mean(0) for target in targets]
    parts = []
    for rows in torch.arange(len(mixed)).tensor_split(FOLDS):
        x = (mixed[rows] - mean_in).flatten(0, 1).double()
        y = [
            (target[rows] - mean).flatten(0, 1).double()
            for target, mean in zip(targets, means_out, strict=True)
        ]
        cross = torch.stack([x.T @ part for part in y])
        outputs = torch.stack([part.square().sum() for part in y])
        parts.append(_Moments(x.T @ x, cross, outputs))
    whole = _Moments(*(sum(moments) for moments in zip(*parts, strict=True)))
    if whole.inputs.trace() <= 1e-10 * mixed.square().sum(dtype=torch.float64):
        raise ValueError('the latents of all mixtures are alike')
    errors = sum(_errors(whole, part) for part in parts)
    chosen = errors.argmin(0).tolist()  # type: ignore[union-attr]
    solved = _solve(whole)
    return [
        Regression(solved[c][t].float(), mean_in, mean, PENALTIES[c])
        for t, (c, mean) in enumerate(zip(chosen, means_out, strict=True))
    ]


def _solve(moments: _Moments) -> Tensor:
    """The maps for all penalties, ``(P, T, C, D)``, by one decomposition."""
    values, basis = torch.linalg.eigh(moments.inputs)
    # Rounding makes some of them negative.
    values = values.clamp(min=0)
    turned = basis.T @ moments.cross
    scale = values.mean()
    return torch.stack(
        [basis @ (turned / (values + p * scale)[:, None]) for p in PENALTIES]
    )


def _errors(whole: _Moments, held: _Moments) -> Tensor:
    """Squared errors on a part of maps fitted on the rest, ``(P, T)``."""
    rest = _Moments(*(a - b for a, b in zip(whole, held, strict=True)))
    weights = _solve(rest)
    linear = (weights * held.cross).sum((2, 3))
    quadratic = (weights * (held.inputs @ weights)).sum((2, 3))
    return held.outputs - 2 * linear + quadratic
