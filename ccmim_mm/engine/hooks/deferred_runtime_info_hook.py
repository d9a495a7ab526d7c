"""The log's values, read from the device only when they are logged."""

import math

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmpretrain.registry import HOOKS
from torch import Tensor


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's runtime info, without waiting for the device every step.

    The stock hook calls ``.item()`` on every loss in every iteration. This
    one keeps them as they are and reads them together, in one transfer,
    when the logger is about to print. The histories end up the same. There
    it also looks for values that are not finite and stops the run: what
    follows them is lost anyway.
    """

    def __init__(self) -> None:
        self.pending: list[dict[str, Tensor]] = []
        self.interval = 1

    def before_train(self, runner) -> None:
        """Learn how often the logger prints."""
        super().before_train(runner)
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                self.interval = hook.interval

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Keep the losses, scalars on the device, for later."""
        if outputs:
            self.pending.append(
                {name: value.detach() for name, value in outputs.items()}
            )
        if self.every_n_inner_iters(batch_idx, self.interval) or (
            self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            self.flush(runner, runner.iter + 1)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave no value out of a checkpoint's history."""
        if self.pending:
            self.flush(runner, runner.iter + 1)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def flush(self, runner, iterations: int) -> None:
        """Hand the values kept to the message hub.

        Args:
            runner: The runner.
            iterations: Iterations done.

        Raises:
            FloatingPointError: If one of them is not finite.
        """
        if not self.pending:
            return
        flat = [v.float() for step in self.pending for v in step.values()]
        values = iter(torch.stack(flat).tolist())
        first = iterations - len(self.pending) + 1
        steps, self.pending = self.pending, []
        for iteration, step in enumerate(steps, start=first):
            for name in step:
                value = next(values)
                if not math.isfinite(value):
                    raise FloatingPointError(
                        f'{name} is {value} at iteration {iteration}: go on '
                        'from the last checkpoint with a lower '
                        'optim_wrapper.optimizer.lr or with --amp off'
                    )
                runner.message_hub.update_scalar(f'train/{name}', value)
