"""What a teacher says of pictures."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class Targets(NamedTuple):
    """What a teacher says of pictures, fp32, without a graph.

    Attributes:
        patches: ``(B, L, D)``, in raster order.
        image: Of each picture as a whole, ``(B, D)``; None if the teacher
            has no such thing.
    """

    patches: Tensor
    image: Tensor | None

    def normed(self, how: str) -> 'Targets':
        """Each vector with mean 0 and variance 1, or of length 1, or as is.

        Args:
            how: ``ln``, ``l2`` or ``none``.

        Returns:
            Targets of the same shapes.
        """
        image = None if self.image is None else _normed(self.image, how)
        return Targets(_normed(self.patches, how), image)


def _normed(features: Tensor, how: str) -> Tensor:
    if how == 'ln':
        return F.layer_norm(features, features.shape[-1:], eps=1e-6)
    if how == 'l2':
        return F.normalize(features, dim=-1)
    return features
