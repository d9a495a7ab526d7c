"""Other maps than an encoder's own to segment by, for a study."""

from collections.abc import Sequence
from typing import Any

from mmpretrain.models.utils import LayerNorm2d
from mmseg.models.necks import Feature2Pyramid
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class NormedPyramid(Feature2Pyramid):
    """The pyramid, with a new layer norm on each map before it.

    Over the channels of each position; trained with the rest. Chosen here.

    Args:
        embed_dim: Channels of the maps.
        rescales: Of each map, its scale.
        **kwargs: The parent's.
    """

    def __init__(
        self, embed_dim: int, rescales: Sequence[float], **kwargs: Any
    ) -> None:
        super().__init__(embed_dim, rescales=rescales, **kwargs)
        self.map_norms = nn.ModuleList(
            LayerNorm2d(embed_dim, eps=1e-6) for _ in rescales
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps ``(B, C, H, W)`` at their scales."""
        normed = zip(self.map_norms, inputs, strict=True)
        return super().forward([norm(part) for norm, part in normed])


@MODELS.register_module()
class LastMapPyramid(Feature2Pyramid):
    """The pyramid, of the last layer's map alone, at every scale.

    As "Exploring Plain Vision Transformer Backbones for Object Detection"
    (ECCV 2022) takes it. Takes the parent's arguments.
    """

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps ``(B, C, H, W)`` at their scales."""
        return super().forward([inputs[-1]] * len(inputs))
