"""Evaluations that would be missing: before the first step, on a resume."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ..runner.resumable_loop import ResumableLoop

#: In the message hub: the iteration of the last evaluation.
EVALUATED = 'evaluated_at'


@HOOKS.register_module()
class DueValHook(Hook):
    """Validate where a resumed run stands, if that is due and was not done.

    A checkpoint is written before the evaluation that follows it, so a run
    that stops in between would never be judged there.

    Args:
        initial: Validate before the first step too, so that a gain has a
            start.
    """

    priority = 'VERY_LOW'

    def __init__(self, initial: bool = False) -> None:
        self.initial = initial

    def before_train(self, runner) -> None:
        """Run the validation loop if it is due and has not been run."""
        if runner.val_loop is None:
            return
        loop = runner.train_loop
        due = self.initial
        if runner.iter:
            due = isinstance(loop, ResumableLoop) and loop.due
        past = runner.message_hub.runtime_info.get(EVALUATED)
        if due and past != runner.iter:
            runner.val_loop.run()

    def after_val_epoch(
        self, runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Note that it was done."""
        runner.message_hub.update_info(EVALUATED, runner.iter)
