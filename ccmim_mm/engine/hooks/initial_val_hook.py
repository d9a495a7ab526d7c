"""Evaluation before the first step."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ..points import recall
from ..runner.resumable_loops import ResumableEpochTrainLoop


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
        due = runner.iter == 0
        if isinstance(loop, ResumableEpochTrainLoop) and loop.at_start:
            due = loop.epoch % loop.val_interval == 0
            due |= loop.epoch == loop.max_epochs
        past = recall(runner.message_hub, 'frozen_features')
        if due and all(point['iter'] != runner.iter for point in past):
            runner.val_loop.run()
