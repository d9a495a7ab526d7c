"""bf16 autocast without a loss scaler."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under bf16 autocast, on a GPU or a CPU.

    mmengine's ``AmpOptimWrapper`` refuses machines without a GPU and always
    builds a loss scaler; bf16 has the range of fp32 and needs none. The
    arguments are those of mmengine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of one forward pass, accumulation included."""
        with (
            super().optim_context(model),
            torch.autocast(get_device(), dtype=torch.bfloat16),
        ):
            yield
