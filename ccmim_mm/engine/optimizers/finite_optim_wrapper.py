"""Steps that a number which is not finite cannot spoil."""

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor
from torch.optim import Optimizer


@OPTIM_WRAPPERS.register_module()
class FiniteOptimWrapper(OptimWrapper):
    """mmengine's optimizer wrapper, skipping steps with broken gradients.

    A gradient with a NaN or an infinity in it changes nothing. Fused
    optimizers decide that on the device; nobody waits for it. Ranks decide
    alike, since their gradients are the same.

    Args:
        optimizer: The optimizer.
        kwargs: See mmengine's ``OptimWrapper``.
    """

    def __init__(self, optimizer: Optimizer, **kwargs) -> None:
        super().__init__(optimizer, **kwargs)
        #: Steps skipped since the start, and in a row, on the device.
        self.skipped: Tensor | None = None
        self.skipped_in_row: Tensor | None = None

    def step(self, **kwargs) -> None:
        """Step, unless a gradient is not finite."""
        broken = self._broken()
        if self.skipped is None or self.skipped_in_row is None:
            self.skipped = torch.zeros_like(broken)
            self.skipped_in_row = torch.zeros_like(broken)
        self.skipped = self.skipped + broken
        self.skipped_in_row = (self.skipped_in_row + broken) * broken
        if self.optimizer.defaults.get('fused'):
            # What torch's own loss scaler sets.
            self.optimizer.grad_scale = None
            self.optimizer.found_inf = broken
            super().step(**kwargs)
        elif not broken.item():
            super().step(**kwargs)

    def _broken(self) -> Tensor:
        """1.0 if any gradient is not finite, else 0.0, on the device."""
        grads = [
            parameter.grad
            for group in self.optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        # One number that is finite only if all are.
        norms = torch._foreach_norm(grads)
        return (~torch.isfinite(torch.stack(norms).sum())).float()
