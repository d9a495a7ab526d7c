"""Targets that need no network: pixels and oriented gradients."""

import torch
from mmpretrain.models import HOGGenerator
from torch import Tensor, nn

from ...grids import Size, as_pair, in_words


class PatchPixels(nn.Module):
    """The pixels of each patch, normalised, as MAE predicts them.

    Args:
        grid: Rows and columns of patches; one number is both.
    """

    def __init__(self, grid: Size) -> None:
        super().__init__()
        self.grid = as_pair(grid)

    def forward(self, pictures: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, L, p * p * C)``: rows, columns, channels.

        Each patch has mean 0 and (unbiased) variance 1.
        """
        side = pictures.shape[-1] // self.grid[1]
        patches = pictures.unfold(2, side, side).unfold(3, side, side)
        patches = patches.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
        var, mean = torch.var_mean(patches, dim=-1, keepdim=True)
        return (patches - mean) / (var + 1e-6).sqrt()


class PatchHOG(HOGGenerator):
    """mmpretrain's histograms of oriented gradients (MaskFeat), of any grid.

    Nine directions, in cells of 8 pixels, of each colour; the sides of the
    picture are multiples of 16.

    Args:
        grid: Rows and columns of patches, of a multiple of 8 pixels each;
            one number is both.
    """

    gaussian_kernel: Tensor
    gaussian_window: int

    def __init__(self, grid: Size) -> None:
        super().__init__()
        self.grid = as_pair(grid)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, L, 27 * (p / 8)^2)``.

        Raises:
            ValueError: If the cells do not fill the patches.
        """
        if x.shape[1] != len('RGB'):
            raise ValueError(
                f'model.teacher.kind=hog takes colours, and the pictures '
                f'have {x.shape[1]} channels: model.teacher.kind=pixel takes '
                'any'
            )
        size = x.shape[-2:]
        for side, count in zip(size, self.grid, strict=True):
            if side % 16 or side // 8 % count:
                raise ValueError(
                    f'model.teacher.kind=hog has cells of 8 pixels in windows '
                    f'of 16, which do not fill {in_words(self.grid)} patches '
                    f'of {in_words(size)} pixels: take a patch_size that 8 '
                    'divides'
                )
        # The parent repeats its window as often along rows as along columns.
        kernel, window = self.gaussian_kernel, self.gaussian_window
        self.gaussian_kernel = kernel.repeat(
            *(side // window for side in size)
        )
        self.gaussian_window = size[0]
        try:
            return super().forward(x)
        finally:
            self.gaussian_kernel, self.gaussian_window = kernel, window

    def _reshape(self, hog_feat: Tensor) -> Tensor:
        """``(B, 3, 9, h, w)`` to ``(B, L, D)``; the parent's grid is 14."""
        cells = hog_feat.flatten(1, 2)
        side = cells.shape[-1] // self.grid[1]
        cells = cells.unfold(2, side, side).unfold(3, side, side)
        return cells.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
