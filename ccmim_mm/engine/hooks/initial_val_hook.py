"""Evaluation before the first step."""

from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class InitialValHook(Hook):
    """Validate before the first step, so that a gain has a start.

    Also on resume, if an evaluation is due there: a checkpoint is written
    before the evaluation that follows it, so does not know its result.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner) -> None:
        """Run the validation loop if it is due and has not been run."""
        if runner.val_loop is None:
            return
        loop = runner.train_loop
        due = loop.epoch % loop.val_interval == 0
        past = runner.message_hub.runtime_info.get('frozen_features', [])
        done = any(point['iter'] == runner.iter for point in past)
        if (due or loop.epoch == loop.max_epochs) and not done:
            runner.val_loop.run()
