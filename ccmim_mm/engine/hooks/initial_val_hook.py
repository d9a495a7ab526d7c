"""Evaluation before the first step."""

from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class InitialValHook(Hook):
    """Validate before the first step, so that a gain has a start.

    Skipped when a run resumes.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner) -> None:
        """Run the validation loop at iteration 0."""
        if runner.val_loop is not None and runner.iter == 0:
            runner.val_loop.run()
