"""bf16 autocast without a loss scaler."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn
from torch.optim import Optimizer

from .finite_optim_wrapper import FiniteOptimWrapper


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(FiniteOptimWrapper):
    """Run the forward pass under bf16 autocast, on a GPU or a CPU.

    mmengine's ``AmpOptimWrapper`` refuses machines without a GPU and always
    builds a loss scaler; bf16 has the range of fp32 and needs none. It has
    8 bits of precision, though, which is 4 pixels at 1,024: a detector's
    boxes are to be fp32, and its heads with them. Broken gradients are
    skipped as in the parent.

    Args:
        optimizer: The optimizer.
        modules: Names of the model's parts to run in bf16, which then
            return fp32; none means the whole model.
        kwargs: See mmengine's ``OptimWrapper``.
    """

    def __init__(
        self, optimizer: Optimizer, modules: Sequence[str] = (), **kwargs
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.modules = modules

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of one forward pass, accumulation included."""
        with ExitStack() as stack:
            stack.enter_context(super().optim_context(model))
            if not self.modules:
                stack.enter_context(_autocast())
            inner = model.module if is_model_wrapper(model) else model
            for name in self.modules:
                stack.enter_context(_autocast_within(getattr(inner, name)))
            yield


def _autocast() -> torch.autocast:
    return torch.autocast(get_device(), dtype=torch.bfloat16)


@contextmanager
def _autocast_within(module: nn.Module) -> Iterator[None]:
    """Run a module's calls under autocast, and give fp32 to its caller."""
    contexts: list[torch.autocast] = []

    def enter(*_) -> None:
        contexts.append(_autocast())
        contexts[-1].__enter__()

    def leave(_module: nn.Module, _args: tuple, outputs: tuple) -> tuple:
        contexts.pop().__exit__(None, None, None)
        return tuple(output.float() for output in outputs)

    handles = (
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        # An error within the module.
        while contexts:
            contexts.pop().__exit__(None, None, None)
