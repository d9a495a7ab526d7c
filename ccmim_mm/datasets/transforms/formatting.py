"""Packing pictures for masked methods."""

from typing import Any

import numpy as np
import torch
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets import PackInputs


@TRANSFORMS.register_module()
class PackMaskedInputs(PackInputs):
    """Pack a picture together with the noise its mask is drawn from.

    With the noise drawn here, in the pipeline, a picture's mask is a
    function of (seed, epoch, picture index) like its crop and its flip.

    Added keys: ``inputs``, ``(C, H, W)``, uint8 or, of other channels than
    three, float32, and ``data_samples`` with ``mask_noise``,
    ``(num_patches,)`` float32 in [0, 1). The noise stays a numpy array: as a
    tensor each would cost its own shared-memory file on the way from the
    worker.

    Noise that an earlier transform has drawn (``BlockMaskNoise``) is packed
    as it is, with the ``num_masked`` that it stands for.

    Args:
        num_patches: Patches L of the model's input; None draws no noise and
            leaves it to an earlier transform or to the algorithm.
    """

    def __init__(self, num_patches: int | None = None) -> None:
        super().__init__(algorithm_keys=('mask_noise', 'num_masked'))
        self.num_patches = num_patches

    def transform(self, results: dict) -> dict:
        """Draw the noise and pack."""
        if self.num_patches is not None and 'mask_noise' not in results:
            # 24 bits fit float32 exactly; rounding could give 1.0.
            bits = np.random.randint(0, 1 << 24, self.num_patches)
            results['mask_noise'] = (bits * 2.0**-24).astype(np.float32)
        return super().transform(results)

    @staticmethod
    def format_input(input_: Any) -> Any:
        """The parent's, channels first by numpy, which torch is slower at."""
        if isinstance(input_, np.ndarray) and input_.ndim == 3:
            planes = np.ascontiguousarray(input_.transpose(2, 0, 1))
            return torch.from_numpy(planes)
        return PackInputs.format_input(input_)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_patches={self.num_patches})'
