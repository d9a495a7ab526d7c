"""Schedules, of rates and averages, that go on in another way."""

import copy
from typing import Any

from mmengine.hooks import EMAHook
from mmengine.optim.scheduler import ReduceOnPlateauParamScheduler
from mmengine.runner import IterBasedTrainLoop


def replay_schedule(runner: Any) -> None:
    """Bring the schedulers to where the config's would be by now.

    For another length of an epoch, or another schedule, than the checkpoint
    had. From the rates that the checkpoint brings: one that was scaled or
    edited for the resume is not looked at, as in mmengine.

    Args:
        runner: The runner, its optimizer, epoch and iteration resumed.

    Raises:
        ValueError: If a scheduler follows a measure, whose past is not kept.
    """
    if runner.param_schedulers is None:
        return
    length = len(runner.train_dataloader)
    runner.logger.warning(
        f'An epoch has {length} iterations, and the schedule is replayed to '
        f"iteration {runner.iter} as if it had always been the config's, from "
        "the checkpoint's rates; a rate for another batch needs a new run, "
        '--pretrained'
    )
    for group in runner.optim_wrapper.param_groups:
        for name in ('lr', 'momentum'):
            if f'initial_{name}' in group:
                group[name] = group[f'initial_{name}']
    schedulers = runner.build_param_scheduler(
        copy.deepcopy(runner.cfg.param_scheduler)
    )
    _check_replayable(schedulers)
    # mmengine's iteration loop never steps those that count epochs.
    epochs = runner.epoch
    if isinstance(runner.train_loop, IterBasedTrainLoop):
        epochs = 0
    for done in range(1, runner.iter + 1):
        epoch_ends = done % length == 0 and done // length <= epochs
        for scheduler in schedulers:
            if not scheduler.by_epoch or epoch_ends:
                scheduler.step()
    runner.param_schedulers = schedulers


def recount_averages(runner: Any, ratio: float) -> None:
    """Have averages of the weights count steps as if all had been these.

    The momentum of some follows their number.

    Args:
        runner: The runner, its averages resumed.
        ratio: Of the iterations now to those then.
    """
    for hook in runner.hooks:
        if isinstance(hook, EMAHook) and hook.ema_model.steps:
            # From none it would begin anew.
            steps = max(round(int(hook.ema_model.steps) * ratio), 1)
            hook.ema_model.steps.fill_(steps)


def _check_replayable(schedulers: list) -> None:
    for scheduler in schedulers:
        if isinstance(scheduler, ReduceOnPlateauParamScheduler):
            raise ValueError(
                f'{type(scheduler).__name__} follows a measure, and cannot be '
                'replayed for another schedule or length of an epoch: resume '
                'with the same, or start from the weights with --pretrained'
            )
