"""The log's values, read from the device only when they are logged."""

import math

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.registry import HOOKS
from torch import Tensor

from ..optimizers import FiniteOptimWrapper
from .log_interval import log_interval

#: Values of a series that are kept; older ones are in the log's files.
MAX_HISTORY = 10_000


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's runtime info, without waiting for the device every step.

    The stock hook calls ``.item()`` on every loss in every iteration. This
    one keeps them as they are and reads them together, in one transfer,
    when the logger is about to print. The histories end up the same, except
    that values which are not finite stay out of them, and that they are cut
    to the last :data:`MAX_HISTORY` values: mmengine copies a series at every
    step, and a million of them cost hours and fill checkpoints.
    """

    def __init__(self) -> None:
        self.pending: list[dict[str, Tensor]] = []
        self.interval = 1

    def before_train(self, runner) -> None:
        """Learn how often the logger prints."""
        super().before_train(runner)
        self.interval = log_interval(runner)

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Keep losses and gradient norm, on the device, for later."""
        values = dict(outputs or {})
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, FiniteOptimWrapper) and (
            wrapper.grad_norm is not None
        ):
            values['grad_norm'] = wrapper.grad_norm
            # Once, however many batches the next step has.
            wrapper.grad_norm = None
        if values:
            self.pending.append(
                {name: value.detach() for name, value in values.items()}
            )
        if self.every_n_inner_iters(batch_idx, self.interval) or (
            self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            self.flush(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave no value out of a checkpoint's history."""
        if self.pending:
            self.flush(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def flush(self, runner) -> None:
        """Hand the values kept to the message hub."""
        flat = [v.float() for step in self.pending for v in step.values()]
        values = iter(torch.stack(flat).tolist() if flat else ())
        for step in self.pending:
            for name in step:
                value = next(values)
                if math.isfinite(value):
                    runner.message_hub.update_scalar(f'train/{name}', value)
        self.pending = []
        cut_histories(runner.message_hub)


def cut_histories(hub: MessageHub, length: int = MAX_HISTORY) -> None:
    """Keep the last values of every series, and no more from then on.

    Args:
        hub: The message hub, changed in place.
        length: How many.
    """
    for name, buffer in hub.log_scalars.items():
        values, counts = buffer.data
        if len(values) > length and buffer.max_length != length:
            hub.log_scalars[name] = HistoryBuffer(
                values[-length:], counts[-length:], max_length=length
            )
