"""What an encoder makes of a mixture of two pictures.

i-MAE (arXiv 2210.11470) asks how well the latents of a mixture can be
separated linearly, and how much they know of the classes. Its formulas could
not be read: those below are chosen here, and no figure of them is comparable
with the paper's. ``docs/methods/mixtures.md`` derives them.

Throughout, a mixture is ``w sub + (1 - w) dom`` with ``w <= 0.5``: the
subordinate picture has the smaller weight. Latents are ``(N, L, C)``, of N
pairs and L positions.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .ridge import regress
from .rows import check_finite_rows


class PairLatents(NamedTuple):
    """Latents of mixtures and of the two pictures, each by itself.

    Attributes:
        mixed: ``(N, L, C)``.
        sub: Of the picture with the smaller weight, ``(N, L, C)``.
        dom: Of the other, ``(N, L, C)``.
    """

    mixed: Tensor
    sub: Tensor
    dom: Tensor


class Separability(NamedTuple):
    """How well a mixture's latents tell those of its pictures.

    Attributes:
        weight: Of the subordinate picture.
        rho: Correlation of the two pictures' latents, [-1, 1].
        r2_sub: Variance of the subordinate's latents that is explained; 1 is
            all of it, below 0 is worse than each position's mean.
        r2_dom: Of the dominant's.
        reference_sub: What superposition would explain, see
            :func:`superposition`.
        reference_dom: Of the dominant's.
    """

    weight: float
    rho: float
    r2_sub: float
    r2_dom: float
    reference_sub: float
    reference_dom: float

    @property
    def ls(self) -> float:
        """LS: both shares beyond what superposition would explain.

        0 for a linear encoder, 1 where both latents can be read off and the
        pictures are independent.
        """
        reference = self.reference_sub + self.reference_dom
        return self.r2_sub + self.r2_dom - reference


def superposition(weight: float, rho: float = 0.0) -> tuple[float, float]:
    """What a linear encoder lets a regression explain.

    Its latents of a mixture are the mixture of the latents, so of pictures
    with one covariance and the correlation rho the shares are
    ``(a + b rho)^2 / (a^2 + b^2 + 2 a b rho)``, a being the own weight and b
    the other's.

    Args:
        weight: Of the subordinate picture, [0, 1].
        rho: (-1, 1]; with 0, for independent pictures, both sum to 1.

    Returns:
        Of the subordinate, and of the dominant.
    """
    sub, dom = weight, 1 - weight
    total = sub**2 + dom**2 + 2 * sub * dom * rho
    return (sub + dom * rho) ** 2 / total, (dom + sub * rho) ** 2 / total


def measure_separability(
    fitted: PairLatents, judged: PairLatents, weight: float
) -> tuple[Separability, Tensor, Tensor]:
    """Regress both pictures' latents from the mixture's, judge it on others.

    Args:
        fitted: Of the pairs to fit on.
        judged: Of pairs that share no picture with them.
        weight: Of the subordinate pictures, in all mixtures.

    Returns:
        The figures, and the regressed latents of the judged pairs' sub and
        dom, ``(N, L, C)`` each.

    Raises:
        ValueError: See :func:`regress`.
    """
    sub, dom = regress(fitted.mixed, (fitted.sub, fitted.dom))
    check_finite_rows(*(part.flatten(1) for part in judged))
    found = sub.predict(judged.mixed), dom.predict(judged.mixed)
    centred = judged.sub - sub.mean_out, judged.dom - dom.mean_out
    energies = _energy(centred[0]), _energy(centred[1])
    if not min(energies) > 0:
        raise ValueError('the latents of all pictures to judge by are alike')
    product = (centred[0] * centred[1]).sum(dtype=torch.float64).item()
    rho = product / (energies[0] * energies[1]) ** 0.5
    r2_sub = 1 - _energy(judged.sub - found[0]) / energies[0]
    r2_dom = 1 - _energy(judged.dom - found[1]) / energies[1]
    references = superposition(weight, rho)
    return Separability(weight, rho, r2_sub, r2_dom, *references), *found


def ident(latents: Tensor, own: Tensor, other: Tensor, mean: Tensor) -> float:
    """How often latents of a mixture are nearer to their own picture's.

    Nearer is by the cosine about each position's mean, itself averaged over
    the positions.

    Args:
        latents: What was made of the mixtures for one of the two pictures,
            ``(N, L, C)``.
        own: Latents of that picture, ``(N, L, C)``.
        other: Of the other one.
        mean: Of the pictures at each position, ``(L, C)``.

    Returns:
        Share of the pairs, [0, 1]. A latent that knows nothing has 0.5;
        mere superposition has 0 for the subordinate and 1 for the dominant.
    """
    cosines = [
        F.cosine_similarity(latents - mean, part - mean, dim=-1).mean(1)
        for part in (own, other)
    ]
    return (cosines[0] > cosines[1]).double().mean().item()


def class_share(latents: Tensor, labels: Tensor) -> float:
    """Share of the variance that lies between classes, eta squared.

    Args:
        latents: One a picture, ``(N, C)``.
        labels: ``(N,)``, integers >= 0.

    Returns:
        [0, 1]. Labels that mean nothing have ``(K - 1) / (N - 1)`` on
        average, of K classes.

    Raises:
        ValueError: If latents are not finite, or all alike.
    """
    check_finite_rows(latents)
    centred = latents.double() - latents.double().mean(0)
    total = centred.square().sum()
    if not total > 0:
        raise ValueError('the latents of all pictures are alike')
    classes, labels = labels.unique(return_inverse=True)
    sums = centred.new_zeros(len(classes), centred.shape[1])
    sums.index_add_(0, labels, centred)
    between = (sums.square().sum(1) / labels.bincount()).sum()
    return (between / total).item()


def own_class_lead(
    classify: Callable[[Tensor], Tensor],
    latents: Tensor,
    own: Tensor,
    other: Tensor,
) -> float:
    """DS of a branch: its own picture's class told, less the other's.

    Args:
        classify: See :func:`fit_linear_probe`, fitted on single pictures.
        latents: What was made of the mixtures for one of the two pictures,
            pooled, ``(N, C)``.
        own: Labels of that picture, ``(N,)``.
        other: Of the other one, of another class.

    Returns:
        Difference of the accuracies, [-1, 1].

    Raises:
        ValueError: If latents are not finite.
    """
    check_finite_rows(latents)
    told = classify(latents)
    hits = (told == own).double() - (told == other).double()
    return hits.mean().item()


def _energy(latents: Tensor) -> float:
    return latents.square().sum(dtype=torch.float64).item()
