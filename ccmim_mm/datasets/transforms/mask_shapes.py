"""Masks of other shapes than single patches, as noise for a mask sampler.

Each transform decides which patches to hide and writes noise that is lower
on the others: ``RandomMaskSampler`` then hides exactly these. So a mask still
travels with its picture and is seeded by it, and any masked method takes
it. The counts follow the sampler's arithmetic.
"""

import math

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from ...grids import Size, as_pair, as_size

#: The noise has 24 bits, which fit float32 exactly; half of them is 0.5.
_HALF = 1 << 23


class MaskShape(BaseTransform):
    """Masks a part of a grid of patches.

    Added keys: ``mask_noise``, ``(L,)`` float32, in [0.5, 1) on
    masked patches and in [0, 0.5) on the others, and ``num_masked``, how
    many are.

    Args:
        grid: Rows and columns of patches of the model's input; one number is
            both.
        mask_ratio: Share to hide, in (0, 1).

    Raises:
        ValueError: If the ratio leaves none of either kind.
    """

    def __init__(self, grid: Size, mask_ratio: float) -> None:
        self.grid = as_pair(grid)
        patches = self.grid[0] * self.grid[1]
        self.mask_ratio = mask_ratio
        self.num_masked = patches - int(patches * (1 - mask_ratio))
        if not 0 < self.num_masked < patches:
            raise ValueError(
                f'{type(self).__name__}: mask_ratio={mask_ratio} hides '
                f'{self.num_masked} of {patches} patches: choose one in '
                '(0, 1) that leaves some of both kinds'
            )

    def mask(self) -> np.ndarray:
        """A mask, ``(rows, columns)`` bool, drawn from numpy's generator."""
        raise NotImplementedError

    def transform(self, results: dict) -> dict:
        """Write the noise."""
        mask = self.mask().reshape(-1)
        bits = np.random.randint(0, _HALF, mask.size) + _HALF * mask
        results['mask_noise'] = (bits * 2.0**-24).astype(np.float32)
        results['num_masked'] = int(mask.sum())
        return results


@TRANSFORMS.register_module()
class BlockMaskNoise(MaskShape):
    """Hide rectangles of patches, as BEiT v2 does; an exact number.

    Rectangles are drawn until the number is reached or ten in a row are not
    accepted; single patches, drawn uniformly, make up what is missing. Takes
    the corners that fit, so that every patch is hidden sometimes.

    Args:
        grid: Rows and columns of patches of the model's input; one number is
            both.
        mask_ratio: Share to hide, in (0, 1): that of the model's sampler.
        min_block: Smallest area of a rectangle, in patches, > 0. BEiT's is
            16, on a grid of 14; for another grid the same share of it is
            chosen here.
        max_aspect: The longest rectangle's height over width, or the other
            way round, >= 1.
    """

    def __init__(
        self,
        grid: Size,
        mask_ratio: float = 0.4,
        min_block: int = 16,
        max_aspect: float = 1 / 0.3,
    ) -> None:
        super().__init__(grid, mask_ratio)
        self.min_block = min_block
        self.log_aspect = math.log(max_aspect)

    def mask(self) -> np.ndarray:
        """A mask, ``(rows, columns)`` bool."""
        mask = np.zeros(self.grid, bool)
        while (left := self.num_masked - int(mask.sum())) > 0:
            if not self._add_block(mask, left):
                visible = np.flatnonzero(~mask)
                mask.flat[np.random.permutation(visible)[:left]] = True
        return mask

    def _add_block(self, mask: np.ndarray, left: int) -> bool:
        """Hide one more rectangle, of ``left`` new patches at most."""
        for _ in range(10):
            # Where there is less left than a block, between the two.
            area = np.random.uniform(self.min_block, left)
            aspect = math.exp(
                np.random.uniform(-self.log_aspect, self.log_aspect)
            )
            height = round(math.sqrt(area * aspect))
            width = round(math.sqrt(area / aspect))
            rows, columns = self.grid
            if not (0 < height < rows and 0 < width < columns):
                continue
            top = np.random.randint(rows - height + 1)
            start = np.random.randint(columns - width + 1)
            block = mask[top : top + height, start : start + width]
            if 0 < block.size - int(block.sum()) <= left:
                block[:] = True
                return True
        return False

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(grid={as_size(self.grid)}, '
            f'mask_ratio={self.mask_ratio}, min_block={self.min_block})'
        )


@TRANSFORMS.register_module()
class UnitMaskNoise(MaskShape):
    """Hide squares of patches on a coarser grid, as SimMIM does.

    Of the units ``ceil(ratio * units)`` are hidden, so that of patches more
    may be than the ratio says; the error of a sampler that hides fewer names
    the ratio that it needs.

    Args:
        grid: Rows and columns of patches of the model's input; one number is
            both.
        unit: Patches along a side of a unit; divides ``grid``. SimMIM's are
            of 32 pixels, two patches of 16.
        mask_ratio: Share of the units to hide, in (0, 1). SimMIM's is 0.6.

    Raises:
        ValueError: If the unit does not divide the grid, or all are hidden.
    """

    def __init__(
        self, grid: Size, unit: int = 2, mask_ratio: float = 0.6
    ) -> None:
        pair = as_pair(grid)
        if any(side % unit for side in pair):
            raise ValueError(
                f'UnitMaskNoise: a grid of {as_size(pair)} patches has no '
                f'whole units of {unit}: set unit to a divisor of '
                f'{math.gcd(*pair)}'
            )
        super().__init__(grid, mask_ratio)
        self.unit = unit
        units = (pair[0] // unit) * (pair[1] // unit)
        hidden = math.ceil(mask_ratio * units)
        if hidden == units:
            raise ValueError(
                f'UnitMaskNoise: mask_ratio={mask_ratio} hides all of '
                f'{units} units: at most {1 - 1 / units:.4f} leaves one'
            )
        self.num_masked = hidden * unit**2

    def mask(self) -> np.ndarray:
        """A mask, ``(rows, columns)`` bool."""
        rows, columns = (side // self.unit for side in self.grid)
        units = np.zeros(rows * columns, bool)
        hidden = self.num_masked // self.unit**2
        units[np.random.permutation(units.size)[:hidden]] = True
        whole = np.ones((self.unit, self.unit), bool)
        return np.kron(units.reshape(rows, columns), whole)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(grid={as_size(self.grid)}, '
            f'unit={self.unit}, mask_ratio={self.mask_ratio})'
        )
