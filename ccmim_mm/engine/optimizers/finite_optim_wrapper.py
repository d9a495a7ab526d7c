"""Steps in the right precision, that no broken number can spoil."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.utils import apply_to
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from ..console import FILE_ONLY


@OPTIM_WRAPPERS.register_module()
class FiniteOptimWrapper(OptimWrapper):
    """mmengine's optimizer wrapper, in bf16, skipping broken gradients.

    A gradient with a NaN or an infinity in it changes nothing: no weight,
    and no buffer, that is, what the step's forward passes did to BatchNorm
    statistics and queues of keys is undone. Fused optimizers decide that on
    the device; nobody waits for it. Ranks decide alike, since their gradients
    are the same; those that have parts of them ask each other.

    mmengine's ``AmpOptimWrapper`` refuses machines without a GPU and always
    builds a loss scaler; bf16 has the range of fp32 and needs none. It has
    8 bits of precision, though, which is 4 pixels at 1,024: a detector's
    boxes are to be fp32, and its heads with them.

    With ``clip_grad`` the norm before is left on the device, for
    :class:`ccmim_mm.engine.DeferredRuntimeInfoHook` to log.

    Args:
        optimizer: The optimizer.
        precision: ``bf16`` runs the forward pass under autocast, ``fp32``
            as it is, and ``auto`` is bf16 on a GPU that has it.
        modules: Names of the model's parts to run in bf16, which then
            return fp32; none means the whole model.
        kwargs: See mmengine's ``OptimWrapper``.

    Raises:
        ValueError: If there is no such precision; in the first pass, if the
            model does not call one of ``modules``, but methods of it.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        precision: Literal['auto', 'bf16', 'fp32'] = 'auto',
        modules: Sequence[str] = (),
        **kwargs,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        if precision not in ('auto', 'bf16', 'fp32'):
            raise ValueError(
                f'optim_wrapper.precision={precision!r}: use auto, bf16 or '
                'fp32'
            )
        if precision == 'auto':
            gpu = torch.cuda.is_available()
            bf16 = gpu and torch.cuda.is_bf16_supported()
            precision = 'bf16' if bf16 else 'fp32'
        self.bf16 = precision == 'bf16'
        self.modules = modules
        #: 1.0 if the last step was skipped, else 0.0, on the device.
        self.broken: Tensor | None = None
        #: Of the gradients of the last step, before they were clipped.
        self.grad_norm: Tensor | None = None
        #: The model's buffers, each as it was before this step.
        self.before: list[tuple[Tensor, Tensor]] = []
        logger = MMLogger.get_current_instance()
        logger.info(f'Precision: {precision}', extra=FILE_ONLY)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of one forward pass, accumulation included."""
        if self.should_update():
            # The pass before, if any, ended a step: this begins one.
            self.before = [(b, b.clone()) for b in model.buffers()]
        with ExitStack() as stack:
            stack.enter_context(super().optim_context(model))
            if self.bf16 and not self.modules:
                stack.enter_context(_autocast())
            inner: Any = model.module if is_model_wrapper(model) else model
            if isinstance(inner, FSDPModule):
                # What no_sync is to DDP.
                inner.set_requires_gradient_sync(self.should_sync())
            for name in self.modules if self.bf16 else ():
                stack.enter_context(self._autocast_within(inner, name))
            yield

    @contextmanager
    def _autocast_within(self, model: nn.Module, name: str) -> Iterator[None]:
        """Run a part's calls under autocast, and give fp32 to its caller."""
        contexts: list[torch.autocast] = []
        called = False

        def enter(*_) -> None:
            nonlocal called
            called = True
            contexts.append(_autocast())
            contexts[-1].__enter__()

        def leave(_module: nn.Module, _args: tuple, outputs: Any) -> Any:
            contexts.pop().__exit__(None, None, None)
            return apply_to(outputs, torch.is_tensor, _as_fp32)

        part = model.get_submodule(name)
        handles = (
            part.register_forward_pre_hook(enter),
            part.register_forward_hook(leave),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            # An error within the part.
            while contexts:
                contexts.pop().__exit__(None, None, None)
        if not called and self.broken is None:
            raise ValueError(
                f'optim_wrapper.modules names {name!r}, of which '
                f'{type(model).__name__} calls methods, so that none of it '
                'would run in bf16: set modules=[] for the whole model, or '
                "precision='fp32'"
            )

    def step(self, **kwargs) -> None:
        """Step, unless a gradient is not finite."""
        self.broken = self._is_broken()
        for buffer, before in self.before:
            buffer.copy_(torch.where(self.broken > 0, before, buffer))
        self.before = []
        if self.optimizer.defaults.get('fused'):
            # What torch's own loss scaler sets.
            self.optimizer.grad_scale = None
            self.optimizer.found_inf = self.broken
            super().step(**kwargs)
        elif not self.broken.item():
            super().step(**kwargs)

    def _is_broken(self) -> Tensor:
        """1.0 if any gradient is not finite, else 0.0, on the device."""
        grads = [
            parameter.grad
            for group in self.optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        parts = [g.to_local() if isinstance(g, DTensor) else g for g in grads]
        # One number that is finite only if all are.
        norms = torch._foreach_norm(parts)
        broken = (~torch.isfinite(torch.stack(norms).sum())).float()
        if any(isinstance(grad, DTensor) for grad in grads):
            all_reduce(broken, 'max')
        return broken

    def _clip_grad(self) -> None:
        """Clip; the norm, if there is one, stays on the device."""
        groups = self.optimizer.param_groups
        parameters = [p for group in groups for p in group['params']]
        norm = self.clip_func(parameters, **self.clip_grad_kwargs)
        # Of parts, a sum that the processes are yet to make.
        in_parts = isinstance(norm, DTensor)
        self.grad_norm = norm.full_tensor() if in_parts else norm


def _autocast() -> torch.autocast:
    return torch.autocast(get_device(), dtype=torch.bfloat16)


def _as_fp32(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
