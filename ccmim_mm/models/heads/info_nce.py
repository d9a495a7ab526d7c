"""Contrast of each picture with those of all processes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank
from torch import Tensor
from torch.utils.checkpoint import checkpoint

#: Logits that are there at a time, in number: 256 MiB, and as much again for
#: each of their softmax and gradient. Chosen here.
MAX_LOGITS = 2**26


class Contrast(NamedTuple):
    """How well queries find their keys.

    Attributes:
        ce: Cross entropy, nats; ``log(W * B)`` at chance.
        accuracy: Share of own keys that are found, in [0, 1], without a
            graph; ``1 / (W * B)`` at chance.
    """

    ce: Tensor
    accuracy: Tensor


def info_nce(queries: Tensor, keys: Tensor, temperature: float) -> Contrast:
    """InfoNCE of the own queries with the keys of all ``W`` processes.

    Keys of other processes carry no gradient; the own ones do if they have
    a graph. Where there would be more than ``MAX_LOGITS`` logits, the queries
    are taken in chunks, whose logits are computed anew in the backward pass.

    Args:
        queries: On the unit sphere, ``(B, D)``, fp32.
        keys: Likewise, of the same pictures in the same order.
        temperature: Softmax temperature, > 0.
    """
    batch, rank = len(queries), get_rank()
    gathered = all_gather(keys.detach())
    gathered[rank] = keys
    keys = torch.cat(gathered)
    labels = torch.arange(batch, device=keys.device) + batch * rank
    rows = max(1, MAX_LOGITS // len(keys))
    if batch <= rows:
        return Contrast(*_contrast(queries, keys, labels, temperature))
    ce, accuracy = queries.new_zeros(2).unbind()
    for part, own in zip(queries.split(rows), labels.split(rows), strict=True):
        found = checkpoint(
            _contrast,
            *(part, keys, own, temperature),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        ce = ce + found[0] * len(part) / batch
        accuracy = accuracy + found[1] * len(part) / batch
    return Contrast(ce, accuracy)


def _contrast(
    queries: Tensor, keys: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Cross entropy of some queries, and the share that finds its key."""
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries @ keys.T / temperature
        ce = F.cross_entropy(logits, labels)
    return ce, (logits.argmax(1) == labels).float().mean()


def spread(projected: Tensor) -> Tensor:
    """How far vectors on the unit sphere, ``(B, D)``, fill it.

    Returns:
        Their standard deviation over the batch times ``sqrt(D)``, a scalar
        without a graph: 1 where they fill it evenly, 0 where all are alike.
    """
    deviation = projected.detach().std(0, correction=0).mean()
    return deviation * projected.shape[1] ** 0.5
