"""Training steps of fake tensors, which have sizes and no values."""

import copy
import gc
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from torch import Tensor
from torch._subclasses import FakeTensorMode

from ..benchmarks.flops import PICTURES, counting
from ..benchmarks.methods import picture_shape
from .fake_method import build_method, gpu_wrapper
from .live import LiveStorages


class Trace(NamedTuple):
    """Bytes of one process through a step, of the settled state.

    Attributes:
        batch: Pictures.
        weights: Of parameters that are trained; their gradients are as many.
        frozen: Of all else that lives from step to step: buffers, averages
            of encoders, teachers.
        optimizer: Of the optimizer's state.
        moments: ``(N, 2)``, activations and gradients alive after each
            operation that made a storage. Autocast's copies of weights, the
            batch and what the backward pass makes are activations.
    """

    batch: int
    weights: int
    frozen: int
    optimizer: int
    moments: np.ndarray


class FakeStep:
    """A method, its optimizer and any batch, on a CPU and of no memory.

    Autograd wants a GPU for gradients of fake CUDA tensors, so these are a
    CPU's; a forward pass keeps the same bytes on either. Precision ``auto``
    is bf16, attention the fused kernel's. Gradients are not clipped, which
    would make norms alone.

    Args:
        cfg: A pre-training config. A teacher is the usual one of its width,
            of random weights, whatever file it names.
        checkpointing: Recompute activations wherever the method can; False
            nowhere, None as the config says.

    Raises:
        ValueError: If it is no pre-training config of this project, its
            optimizer wrapper wants a GPU, or nobody knows how large the
            teacher is.
    """

    def __init__(self, cfg: Config, checkpointing: bool | None = None) -> None:
        cfg = copy.deepcopy(cfg)
        wrapper = gpu_wrapper(cfg.optim_wrapper)
        self.bf16 = wrapper.get('precision') == 'bf16'
        # From the second pass on, gradients are there already.
        self.accumulates = wrapper.pop('accumulative_counts', 1) > 1
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.live = LiveStorages()
        # What mmpretrain's average of MoCo v3 asks for.
        MessageHub.get_current_instance().update_info('max_iters', 1000)
        with self.mode, self.live:
            self.model: Any = build_method(cfg)
            self.live.name_all('frozen')
            trained = [p for p in self.model.parameters() if p.requires_grad]
            self.live.name(trained, 'weights')
            self.optimizer = build_optim_wrapper(self.model, wrapper)
        self._can = [m for m in self.model.modules() if hasattr(m, 'with_cp')]
        self.can_checkpoint = bool(self._can)
        if checkpointing is not None:
            self.recompute(checkpointing)
        for parameter in trained:
            parameter.register_post_accumulate_grad_hook(self._name_gradient)
        self._picture = picture_shape(cfg, self.model.backbone)
        # The optimizer's state comes with the first step.
        self._settled = False

    def recompute(self, checkpointing: bool) -> None:
        """Recompute activations wherever the method can, or nowhere."""
        for module in self._can:
            module.with_cp = checkpointing

    def trace(self, batch: int) -> Trace:
        """One step of so many pictures.

        Raises:
            ValueError: If the method cannot learn from such a batch.
        """
        self.model.check_batch(batch)
        with self.mode, self.live:
            if not self._settled:
                self._step(batch)
                self._settled = True
            # Garbage would go at any moment of the step.
            gc.collect()
            gc.disable()
            try:
                self.live.restart()
                self._step(batch)
            finally:
                gc.enable()
        held = self.live.bytes
        return Trace(
            batch,
            held['weights'],
            held['frozen'],
            held['optimizer'],
            np.array(self.live.moments),
        )

    def flops(self) -> float:
        """FLOPs of a picture, forward and backward; a multiply-add is two."""
        kept = [(p, p.grad) for p in self.model.parameters()]
        self.optimizer.zero_grad()
        with self.mode, counting() as counter:
            self._loss(self._inputs(PICTURES)).backward()
        # Those that accumulate are there when the next step begins.
        for parameter, gradient in kept:
            parameter.grad = gradient
        return counter.get_total_flops() / PICTURES

    def _step(self, batch: int) -> None:
        inputs = self._inputs(batch)
        with self.optimizer.optim_context(self.model):
            loss = self._loss(inputs)
        self.optimizer.backward(loss)
        self.optimizer.step()
        if not self.accumulates:
            self.optimizer.zero_grad()
        for state in self.optimizer.optimizer.state.values():
            tensors = [v for v in state.values() if isinstance(v, Tensor)]
            self.live.name(tensors, 'optimizer')

    def _loss(self, inputs: Any) -> Tensor:
        for module in self.model.modules():
            for name, buffer in [*module.named_buffers(recurse=False)]:
                if buffer.numel() == 1 and not buffer.is_floating_point():
                    # A counter, whose value a method may ask for: that of
                    # a tensor just made from a number is known.
                    zero = torch.tensor(0, dtype=buffer.dtype)
                    setattr(module, name, zero.reshape(buffer.shape))
        losses = self.model(inputs, [], mode='loss')
        return self.model.parse_losses(losses)[0]

    def _inputs(self, batch: int) -> Any:
        views = [
            torch.empty(batch, *self._picture) for _ in range(self.model.views)
        ]
        return views if len(views) > 1 else views[0]

    def _name_gradient(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self.live.name([parameter.grad], 'gradients')
