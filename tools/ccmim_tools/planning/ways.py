"""Peak memory of a process by way of training."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from torch import nn

from .fake_step import Trace


class Way(NamedTuple):
    """How processes share a training.

    Attributes:
        name: For the table.
        ranks: Processes that parameters and the optimizer's state are
            sharded over; 1 shards nothing.
        buckets: Copies of the gradients that live from step to step.
        gradients: Share of the gradients that has memory of its own.
        gathered: Bytes of what is whole beside the shards, see
            :func:`gathered_bytes`.
    """

    name: str
    ranks: int = 1
    buckets: int = 0
    gradients: float = 1
    gathered: int = 0

    def held(self, trace: Trace) -> float:
        """Bytes that are there at all times."""
        return (
            (trace.weights + trace.optimizer) / self.ranks
            + trace.frozen
            + self.buckets * trace.weights
            + self.gathered
        )

    def alive(self, moments: np.ndarray) -> np.ndarray:
        """Bytes that come and go, at each moment."""
        return moments[:, 0] + self.gradients * moments[:, 1]

    def peak(self, trace: Trace) -> float:
        """Bytes at the worst moment of a step."""
        return self.held(trace) + self.alive(trace.moments).max()


def ddp(gpus: int, as_view: bool = False) -> Way:
    """Data-parallel processes, or one.

    Args:
        gpus: Processes.
        as_view: DDP's ``gradient_as_bucket_view``, which is off unless the
            config's ``model_wrapper_cfg`` says otherwise.
    """
    if gpus == 1:
        return Way('one GPU')
    return Way('DDP', buckets=1, gradients=0 if as_view else 1)


def fsdp(gpus: int, model: nn.Module, accumulates: bool) -> Way | None:
    """``FullyShard`` over so many processes; None if it has no layers.

    Args:
        gpus: Processes.
        model: A method.
        accumulates: Whether a step has several passes, whose gradients are
            summed up whole before they are reduced.
    """
    kinds = {type(module) for module in model.modules()}
    if not any(issubclass(kind, TransformerEncoderLayer) for kind in kinds):
        return None
    return Way(
        'FSDP2',
        ranks=gpus,
        gradients=1 if accumulates else 1 / gpus,
        gathered=gathered_bytes(model),
    )


def gathered_bytes(model: nn.Module) -> int:
    """What FSDP2 has whole at once, at most: ``2 R + 5 U``.

    ``U`` is the largest transformer layer and ``R`` the root, all that is in
    none. Whole are the root, the layer at work, the one that is prefetched
    and the buffer that a third comes in; and gradients of the root, of the
    layer at work and of the one that is being reduced.
    """
    sizes, inside = [], set()
    for module in model.modules():
        if isinstance(module, TransformerEncoderLayer):
            own = [p for p in module.parameters() if p.requires_grad]
            inside.update(own)
            sizes.append(_bytes(own))
    root = _bytes(
        p for p in model.parameters() if p.requires_grad and p not in inside
    )
    return 2 * root + 5 * max(sizes, default=0)


def _bytes(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)
