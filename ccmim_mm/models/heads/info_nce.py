"""Contrast of each picture with those of all processes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank
from torch import Tensor


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
    a graph.

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
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries @ keys.T / temperature
        ce = F.cross_entropy(logits, labels)
    return Contrast(ce, (logits.argmax(1) == labels).float().mean())


def spread(projected: Tensor) -> Tensor:
    """How far vectors on the unit sphere, ``(B, D)``, fill it.

    Returns:
        Their standard deviation over the batch times ``sqrt(D)``, a scalar
        without a graph: 1 where they fill it evenly, 0 where all are alike.
    """
    deviation = projected.detach().std(0, correction=0).mean()
    return deviation * projected.shape[1] ** 0.5
