"""Schedules of rates that go on in another way than they began."""

import copy
from typing import Any


def replay_schedule(runner: Any) -> None:
    """Bring the schedulers to where the config's would be by now.

    For another length of an epoch, or another schedule, than the checkpoint
    had. From the rates that the checkpoint brings: one that was scaled or
    edited for the resume is not looked at, as in mmengine.

    Args:
        runner: The runner, its optimizer and iteration resumed.
    """
    if runner.param_schedulers is None:
        return
    for group in runner.optim_wrapper.param_groups:
        group['lr'] = group['initial_lr']
    schedulers = runner.build_param_scheduler(
        copy.deepcopy(runner.cfg.param_scheduler)
    )
    length = len(runner.train_dataloader)
    for done in range(1, runner.iter + 1):
        for scheduler in schedulers:
            if not scheduler.by_epoch or done % length == 0:
                scheduler.step()
    runner.param_schedulers = schedulers
    runner.logger.warning(
        f'An epoch has {length} iterations, and the schedule goes on as if it '
        "had always been the config's, from the checkpoint's rates; a rate "
        'for another batch (--auto-scale-lr) needs a new run, --pretrained'
    )
