"""Targets that need no network: pixels and oriented gradients."""

import torch
from mmpretrain.models import HOGGenerator
from torch import Tensor, nn


class PatchPixels(nn.Module):
    """The pixels of each patch, normalised, as MAE predicts them.

    Args:
        grid: Patches along a side.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, pictures: Tensor) -> Tensor:
        """``(B, 3, H, H)`` to ``(B, L, 3 * p * p)``: rows, columns, colours.

        Each patch has mean 0 and (unbiased) variance 1.
        """
        side = pictures.shape[-1] // self.grid
        patches = pictures.unfold(2, side, side).unfold(3, side, side)
        patches = patches.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
        var, mean = torch.var_mean(patches, dim=-1, keepdim=True)
        return (patches - mean) / (var + 1e-6).sqrt()


class PatchHOG(HOGGenerator):
    """mmpretrain's histograms of oriented gradients (MaskFeat), of any grid.

    Nine directions, in cells of 8 pixels, of each colour; the side of the
    picture is a multiple of 16.

    Args:
        grid: Patches along a side, of a multiple of 8 pixels each.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, H, H)`` to ``(B, L, 27 * (p / 8)^2)``.

        Raises:
            ValueError: If the cells do not fill the patches.
        """
        side = x.shape[-1]
        if side % 16 or side // 8 % self.grid:
            raise ValueError(
                f'model.teacher.kind=hog has cells of 8 pixels in windows of '
                f'16, which do not fill {self.grid} x {self.grid} patches of '
                f'{side} pixels: take a patch_size that 8 divides'
            )
        return super().forward(x)

    def _reshape(self, hog_feat: Tensor) -> Tensor:
        """``(B, 3, 9, h, h)`` to ``(B, L, D)``; the parent's grid is 14."""
        cells = hog_feat.flatten(1, 2)
        side = cells.shape[-1] // self.grid
        cells = cells.unfold(2, side, side).unfold(3, side, side)
        return cells.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
