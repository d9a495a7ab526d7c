"""Index algebra on token sequences."""

import torch
from torch import Tensor


def gather_tokens(tokens: Tensor, ids: Tensor) -> Tensor:
    """Take the tokens at ``ids`` from every sequence of a batch.

    Args:
        tokens: ``(B, L, C)``.
        ids: ``(B, n)``, integers in ``[0, L)``.

    Returns:
        ``(B, n, C)``, in the order of ``ids``.
    """
    index = ids.unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
    return torch.gather(tokens, dim=1, index=index)
