"""Saying so when the alignment collapses."""

import math

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class CollapseHook(Hook):
    """Warn when the projected features say nothing any more.

    Looks at the log's ``align_std``, the features' standard deviation over
    the batch (1 if they fill the sphere evenly, 0 if all are the same), and
    at ``align_acc``, after every epoch but the first.

    Args:
        min_std: Below this the features have collapsed, in (0, 1).
    """

    def __init__(self, min_std: float = 0.05) -> None:
        self.min_std = min_std

    def after_train_epoch(self, runner) -> None:
        """Look at the epoch's means."""
        scalars = runner.message_hub.log_scalars
        if runner.epoch == 0 or 'train/align_std' not in scalars:
            return
        window = len(runner.train_dataloader)
        spread = scalars['train/align_std'].mean(window)
        accuracy = scalars['train/align_acc'].mean(window)
        keys = runner.train_dataloader.batch_size * get_world_size()
        if not spread >= self.min_std:
            runner.logger.warning(
                'The projected features have collapsed: align_std '
                f'{spread:.3f} < {self.min_std}. A lower learning rate or '
                'model.align_head.loss_weight may help'
            )
        elif accuracy < 1.5 / keys and not math.isnan(accuracy):
            runner.logger.warning(
                f'The alignment is at chance: align_acc {accuracy:.4f} with '
                f'{keys} keys. A lower learning rate may help'
            )
