"""Bytes that collectives move, by arithmetic."""

from typing import NamedTuple


class Traffic(NamedTuple):
    """Bytes that each rank sends in a step, and receives as many.

    Of ring algorithms, which move the least that can be.

    Attributes:
        keys: All-gather of the alignment's keys: ``(W - 1) B D`` numbers.
        ddp: All-reduce of gradients: ``2 (W - 1) / W`` of them.
        fsdp: FSDP2, which gathers the parameters for the forward and again
            for the backward pass, and reduce-scatters the gradients:
            ``(W - 1) / W`` of each.
    """

    keys: float
    ddp: float
    fsdp: float


def traffic(
    weights: int, ranks: int, batch: int = 0, width: int = 0
) -> Traffic:
    """What a rank sends in a step that does not accumulate.

    Args:
        weights: Bytes of trained parameters, and so of gradients.
        ranks: W.
        batch: Pictures B of a rank.
        width: Channels D of a key; 0 contrasts nothing.
    """
    share = (ranks - 1) / ranks
    # The projections are fp32.
    key_bytes = 4
    return Traffic(
        keys=(ranks - 1) * batch * width * key_bytes,
        ddp=2 * share * weights,
        fsdp=3 * share * weights,
    )
