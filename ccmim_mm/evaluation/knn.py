"""Weighted nearest-neighbour classification on frozen features."""

import torch.nn.functional as F
from torch import Tensor

from .rows import check_finite_rows

#: Bounds the memory of a product of queries and bank: 32 MiB.
PRODUCT = 2**23


def knn_accuracy(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 1024,
) -> float:
    """Top-1 accuracy of a weighted kNN classifier (Wu et al., CVPR 2018).

    Each of the k nearest neighbours by cosine similarity s votes for its
    class with the weight ``exp(s / temperature)``.

    Args:
        bank: Features to look neighbours up in, ``(N, C)``.
        bank_labels: ``(N,)``, integers >= 0.
        queries: Features to classify, ``(M, C)``.
        query_labels: ``(M,)``; a class the bank lacks is never hit.
        k: Number of neighbours, at most N of which exist.
        temperature: > 0; small values listen to the nearest alone.
        chunk: Queries a matrix product, at most; of a large bank fewer, so
            that a product has at most :data:`PRODUCT` elements.

    Returns:
        Accuracy in percent, [0, 100].

    Raises:
        ValueError: If k or temperature are out of range, or features are
            not finite.
    """
    if k < 1:
        raise ValueError(f'k={k} neighbours: set it to 1 or more')
    if not temperature > 0:
        raise ValueError(f'temperature={temperature}: set it above 0')
    check_finite_rows(bank, queries)
    bank = F.normalize(bank.float(), dim=1)
    num_classes = int(bank_labels.max()) + 1
    chunk = max(1, min(chunk, PRODUCT // len(bank)))
    hits = 0
    for features, labels in zip(
        queries.float().split(chunk), query_labels.split(chunk), strict=True
    ):
        similarity = F.normalize(features, dim=1) @ bank.T
        nearest = similarity.topk(min(k, len(bank)), dim=1)
        votes = similarity.new_zeros(len(features), num_classes)
        votes.scatter_add_(
            1,
            bank_labels[nearest.indices],
            # Relative to the nearest, which the winner does not depend on.
            ((nearest.values - nearest.values[:, :1]) / temperature).exp(),
        )
        hits += int((votes.argmax(1) == labels).sum())
    return 100 * hits / len(queries)
