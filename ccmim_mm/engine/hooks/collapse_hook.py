"""Saying so when the alignment collapses."""

import math

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.utils import get_ori_model

from ...models import PretrainMethod


@HOOKS.register_module()
class CollapseHook(Hook):
    """Warn when the projected features say nothing any more.

    Looks at the values that the method names, after every epoch but the
    first: the features' standard deviation over the batch
    (``spread_value``, 1 if they fill the sphere evenly, 0 if all are the
    same), and the share of own pictures found (``accuracy_value``). A
    training that counts iterations has no second epoch, so nothing to look at.

    Args:
        min_std: Below this the features have collapsed, in (0, 1).
    """

    def __init__(self, min_std: float = 0.05) -> None:
        self.min_std = min_std

    def after_train_epoch(self, runner) -> None:
        """Look at the epoch's means."""
        model = get_ori_model(runner.model)
        if runner.epoch == 0 or not isinstance(model, PretrainMethod):
            return
        spread = self._mean(runner, model.spread_value)
        accuracy = self._mean(runner, model.accuracy_value)
        pictures = runner.train_dataloader.batch_size * get_world_size()
        keys = model.num_keys(pictures)
        if spread < self.min_std:
            runner.logger.warning(
                'The projected features have collapsed: '
                f'{model.spread_value} {spread:.3f} < {self.min_std}. A lower '
                'learning rate or weight of the contrast may help'
            )
        elif accuracy < 1.5 / keys:
            runner.logger.warning(
                f'The contrast is at chance: {model.accuracy_value} '
                f'{accuracy:.4f} with {keys} keys. A lower learning rate may '
                'help'
            )

    def _mean(self, runner, name: str | None) -> float:
        """Over the epoch; nan, which is below nothing, if not logged."""
        buffer = runner.message_hub.log_scalars.get(f'train/{name}')
        if buffer is None:
            return math.nan
        return buffer.mean(len(runner.train_dataloader))
