"""The log's values, read from the device only when they are logged."""

import math
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmpretrain.registry import HOOKS
from torch import Tensor

from ..files import write_whole


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's runtime info, without waiting for the device every step.

    The stock hook calls ``.item()`` on every loss in every iteration. This
    one keeps them as they are and reads them together, in one transfer,
    when the logger is about to print. The histories end up the same, except
    that values which are not finite stay out of them.

    Steps with such gradients are skipped by the optimizer wrapper
    (:class:`ccmim_mm.engine.FiniteOptimWrapper`); here they are counted, in
    the log's ``skipped_steps``, and too many in a row stop the run. As the
    weights are those of the last good step, they are saved.

    Args:
        max_skipped: Skipped steps in a row that stop the run, at least 1;
            seen when the log is written, so up to an interval late.

    Raises:
        FloatingPointError: After so many.
    """

    def __init__(self, max_skipped: int = 10) -> None:
        self.max_skipped = max_skipped
        self.pending: list[dict[str, Tensor]] = []
        self.pictures: list[list[str]] = []
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
            samples = (data_batch or {}).get('data_samples') or []
            self.pictures.append([s.get('img_path', '?') for s in samples])
        if self.every_n_inner_iters(batch_idx, self.interval) or (
            self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            self.flush(runner)
            self._check_skipped(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave no value out of a checkpoint's history."""
        if self.pending:
            self.flush(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def flush(self, runner) -> None:
        """Hand the values kept to the message hub."""
        if not self.pending:
            return
        flat = [v.float() for step in self.pending for v in step.values()]
        values = iter(torch.stack(flat).tolist())
        steps, self.pending = self.pending, []
        broken = []
        for step, pictures in zip(steps, self.pictures, strict=True):
            for name in step:
                value = next(values)
                if math.isfinite(value):
                    runner.message_hub.update_scalar(f'train/{name}', value)
                elif pictures not in broken:
                    broken.append(pictures)
        self.pictures = []
        if broken:
            path = Path(runner.work_dir, f'not_finite_rank{get_rank()}.txt')
            lines = '\n\n'.join('\n'.join(batch) for batch in broken)
            write_whole(f'{lines}\n'.encode(), path)
            runner.logger.warning(
                f'{len(broken)} batches gave losses that are not finite; '
                f'their pictures are listed in {path}'
            )

    def _check_skipped(self, runner) -> None:
        """Count the steps skipped, and stop if that does not end."""
        wrapper = runner.optim_wrapper
        if getattr(wrapper, 'skipped', None) is None:
            return
        both = torch.stack((wrapper.skipped, wrapper.skipped_in_row))
        skipped, in_row = (int(n) for n in both.tolist())
        runner.message_hub.update_scalar('train/skipped_steps', skipped)
        if in_row < self.max_skipped:
            return
        runner.save_checkpoint(
            runner.work_dir,
            'last_good.pth',
            meta=dict(epoch=runner.epoch, iter=runner.iter + 1),
            by_epoch=False,
            backend_args=dict(backend='whole'),
        )
        raise FloatingPointError(
            f'{in_row} steps in a row had gradients that are not finite, up '
            f'to iteration {runner.iter + 1}. The last good weights are in '
            'last_good.pth, pictures of such batches in not_finite_*.txt: go '
            'on with a lower optim_wrapper.optimizer.lr or with --amp off'
        )
