"""Saving where no checkpoint is due."""

from mmengine.runner import Runner


def save_between(runner: Runner, name: str, done: int) -> None:
    """Save what a run has come to, within an epoch too.

    Args:
        runner: The runner.
        name: Of the file in its work dir.
        done: Iterations that are done.
    """
    runner.save_checkpoint(
        runner.work_dir,
        name,
        meta=dict(epoch=runner.epoch, iter=done),
        by_epoch=False,
        backend_args=dict(backend='atomic'),
    )
