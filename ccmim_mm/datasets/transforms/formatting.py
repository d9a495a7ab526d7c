"""Packing pictures for the algorithm."""

import numpy as np
from mmpretrain.datasets import PackInputs
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackCCMIMInputs(PackInputs):
    """Pack a picture together with the noise its mask is drawn from.

    With the noise drawn here, in the pipeline, a picture's mask is a
    function of (seed, epoch, picture index) like its crop and its flip.

    Added keys: ``inputs``, ``(3, H, W)`` uint8, and ``data_samples`` with
    ``mask_noise``, ``(num_patches,)`` float32 in [0, 1). Behind a
    ``MultiView`` of V crops ``inputs`` is a list of V and the noise
    ``(V, num_patches)``. The noise stays a numpy array: as a tensor each
    would cost its own shared-memory file on the way from the worker.

    Args:
        num_patches: Patches L of the model's input; None carries no noise
            and leaves drawing it to the algorithm.
    """

    def __init__(self, num_patches: int | None = None) -> None:
        super().__init__(algorithm_keys=('mask_noise',))
        self.num_patches = num_patches

    def transform(self, results: dict) -> dict:
        """Draw the noise and pack."""
        if self.num_patches is not None:
            # 24 bits fit float32 exactly; rounding could give 1.0.
            crops = results['img']
            views = (len(crops),) if isinstance(crops, list) else ()
            bits = np.random.randint(0, 1 << 24, (*views, self.num_patches))
            results['mask_noise'] = (bits * 2.0**-24).astype(np.float32)
        return super().transform(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_patches={self.num_patches})'
