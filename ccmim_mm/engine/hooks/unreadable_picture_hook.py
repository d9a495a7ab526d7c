"""Counting the pictures that could not be read."""

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class UnreadablePictureHook(Hook):
    """Count the pictures that were replaced, and say which.

    The dataset replaces what it cannot read and sends the paths along; see
    :class:`ccmim_mm.datasets.PictureFolder`. Each file is warned
    about once, and the sum over all ranks stands in every epoch's log as
    ``unreadable`` (replacements so far).
    """

    def __init__(self) -> None:
        self.count = 0
        self.seen: set[str] = set()

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Take the failures out of the batch."""
        for sample in data_batch['data_samples']:
            for failure in sample.get('unreadable', ()):
                self.count += 1
                if failure not in self.seen:
                    self.seen.add(failure)
                    runner.logger.warning(f'Unreadable, replaced: {failure}')

    def after_train_epoch(self, runner) -> None:
        """Log the count over all ranks."""
        total = torch.tensor(self.count)
        all_reduce(total)
        runner.message_hub.update_scalar('train/unreadable', total.item())
        if total:
            runner.logger.warning(
                f'{total.item()} unreadable pictures replaced so far'
            )
