"""Linear classification on frozen features."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .rows import check_finite_rows

#: Rows whose logits are there at a time.
CHUNK = 16384


def linear_probe_accuracy(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    seed: int = 0,
    max_iter: int = 200,
) -> float:
    """Top-1 accuracy of a linear classifier trained on frozen features.

    Args:
        bank: Features to train on, ``(N, C)``.
        bank_labels: ``(N,)``, integers >= 0.
        queries: Features to classify, ``(M, C)``.
        query_labels: ``(M,)``; a class the bank lacks is never hit.
        seed: See :func:`fit_linear_probe`.
        max_iter: Likewise.

    Returns:
        Accuracy in percent, [0, 100].

    Raises:
        ValueError: If features are not finite.
    """
    check_finite_rows(bank, queries)
    classify = fit_linear_probe(bank, bank_labels, seed, max_iter)
    hits = classify(queries) == query_labels
    return 100 * hits.float().mean().item()


def fit_linear_probe(
    bank: Tensor, bank_labels: Tensor, seed: int = 0, max_iter: int = 200
) -> Callable[[Tensor], Tensor]:
    """Train a linear classifier on frozen features.

    BatchNorm without affine (here with the statistics of the whole bank)
    and a linear layer, fitted by full-batch L-BFGS with the L2 penalty of
    scikit-learn's ``LogisticRegression(C=1)``: ``|W|^2 / 2N``.

    Args:
        bank: Features to train on, ``(N, C)``.
        bank_labels: ``(N,)``, integers >= 0.
        seed: Seed of the initial weights. The problem is convex: it moves
            the result by what the stopping rule leaves open.
        max_iter: L-BFGS iterations.

    Returns:
        What gives the classes ``(M,)`` of features ``(M, C)``.

    Raises:
        ValueError: If features are not finite.
    """
    check_finite_rows(bank)
    mean, std = bank.float().mean(0), bank.float().std(0, unbiased=False)

    def standardise(features: Tensor) -> Tensor:
        return (features.float() - mean).div_(std + 1e-6)

    x = standardise(bank)
    generator = torch.Generator().manual_seed(seed)
    shape = (int(bank_labels.max()) + 1, x.shape[1])
    weight = torch.randn(shape, generator=generator).mul(0.01).to(x.device)
    bias = torch.zeros(shape[0], device=x.device)
    params = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(
        params, max_iter=max_iter, line_search_fn='strong_wolfe'
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros((), device=x.device)
        for part, labels in zip(
            x.split(CHUNK), bank_labels.split(CHUNK), strict=True
        ):
            loss = F.cross_entropy(F.linear(part, weight, bias), labels)
            loss = loss * (len(part) / len(x))
            loss.backward()
            total += loss.detach()
        penalty = weight.square().sum() / (2 * len(x))
        penalty.backward()
        return total + penalty.detach()

    with torch.enable_grad():
        optimizer.step(closure)

    def classify(features: Tensor) -> Tensor:
        with torch.no_grad():
            return F.linear(standardise(features), weight, bias).argmax(1)

    return classify
