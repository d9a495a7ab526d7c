"""How many directions features use: figures that need no labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Share of all energy below which a direction's is rounding.
ROUNDING = 1e-12


def rankme(features: Tensor) -> float:
    """RankMe, how many directions features use (Garrido et al., ICML 2023).

    ``exp`` of the entropy of the singular values as shares. The features are
    not centred, so what all have in common counts as a direction.

    Args:
        features: ``(N, C)``, finite.

    Returns:
        1 where all lie on one line through the origin, up to ``min(N, C)``;
        0 if all are 0.
    """
    values = _eigenvalues(features, centred=False).sqrt()
    if not values.sum() > 0:
        return 0.0
    return torch.special.entr(values / values.sum()).sum().exp().item()


def alpha_req(features: Tensor) -> float:
    """alpha-ReQ, how fast the spectrum decays (Agrawal et al., NeurIPS 2022).

    The i-th largest eigenvalue of the covariance as a power of i:
    ``i ** -alpha``, by least squares on logarithms. Of good encoders it is
    near 1: far above, few directions carry all; near 0, the features are
    like noise. The fit weighs i by ``1 / i``, so every octave counts alike,
    and takes all eigenvalues that are more than rounding; both chosen here.

    Args:
        features: ``(N, C)``, finite.

    Returns:
        alpha; nan where fewer than two directions have any variance.
    """
    values = _eigenvalues(features, centred=True)
    floor = ROUNDING * features.double().square().sum().item()
    values = values[values > floor]
    if len(values) < 2:
        return float('nan')
    places = torch.arange(1, len(values) + 1, dtype=values.dtype)
    weights = 1 / places / (1 / places).sum()
    x, y = places.log(), values.log()
    x, y = x - (weights * x).sum(), y - (weights * y).sum()
    return -((weights * x * y).sum() / (weights * x * x).sum()).item()


def effective_rank(features: Tensor) -> float:
    """How many directions features vary in (Roy and Vetterli, 2007).

    As :func:`rankme`, of centred features and of the squares of their
    singular values, which are variances.

    Args:
        features: ``(N, C)``.

    Returns:
        ``exp`` of the entropy of the covariance's eigenvalues as shares: 1
        on a line, up to ``min(N - 1, C)``; 0 if all features are alike.
    """
    centred = features.double() - features.double().mean(0)
    energy = torch.linalg.svdvals(centred).square()
    if energy.sum() <= 1e-12 * features.double().square().sum():
        return 0.0
    shares = energy / energy.sum()
    return torch.special.entr(shares).sum().exp().item()


def feature_std(features: Tensor) -> float:
    """How far features spread on the sphere.

    Args:
        features: ``(N, C)``.

    Returns:
        Root of the variance, summed over dimensions, of the features brought
        to length 1: 1 where they fill the sphere evenly, 0 where all are
        alike.
    """
    unit = F.normalize(features.double(), dim=1)
    return unit.var(0, correction=0).sum().sqrt().item()


def _eigenvalues(features: Tensor, centred: bool) -> Tensor:
    """Of the second moments, the largest first, >= 0, on the CPU.

    A block of rows at a time: all of them in double precision would need
    twice the memory of the features.
    """
    mean = features.mean(0, dtype=torch.float64) * centred
    size = features.shape[1]
    moments = torch.zeros(size, size, dtype=torch.float64)
    for rows in features.split(8192):
        block = rows.double() - mean
        moments += (block.T @ block).cpu()
    return torch.linalg.eigvalsh(moments).flip(0).clamp(min=0)
