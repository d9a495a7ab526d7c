"""A pyramid from the one map of a plain ViT."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmpretrain.models.utils import LayerNorm2d
from torch import Tensor, nn


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """ViTDet's simple feature pyramid (arXiv 2203.16527, section 3).

    From the last map of stride 16 alone it makes strides 4, 8, 16 and 32
    and, by subsampling, 64.

    Args:
        in_channels: Channels C of the map.
        out_channels: Channels D of each level.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        half, quarter = in_channels // 2, in_channels // 4
        scales: list[tuple[int, list[nn.Module]]] = [
            (
                quarter,
                [
                    nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                    LayerNorm2d(half),
                    nn.GELU(),
                    nn.ConvTranspose2d(half, quarter, 2, stride=2),
                ],
            ),
            (half, [nn.ConvTranspose2d(in_channels, half, 2, stride=2)]),
            (in_channels, []),
            (in_channels, [nn.MaxPool2d(2)]),
        ]
        self.levels = nn.ModuleList(
            nn.Sequential(
                *resize,
                nn.Conv2d(channels, out_channels, 1, bias=False),
                LayerNorm2d(out_channels),
                nn.Conv2d(
                    out_channels, out_channels, 3, padding=1, bias=False
                ),
                LayerNorm2d(out_channels),
            )
            for channels, resize in scales
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Make the levels.

        Args:
            inputs: Maps of the backbone, of which the last,
                ``(B, C, H, W)``, is used.

        Returns:
            Five maps of D channels, with sides 4, 2, 1, 1/2 and 1/4 of it.
        """
        maps = [level(inputs[-1]) for level in self.levels]
        return *maps, F.max_pool2d(maps[-1], kernel_size=1, stride=2)
