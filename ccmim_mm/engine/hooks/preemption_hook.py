"""Stopping when asked to, without losing a step."""

import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed as torch_dist
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from ...files import write_atomic
from ...run_files import MARKER, PREEMPTED
from ...torchrun import is_first_of_machine, restarted, stops_in_peace
from ..runner.loader_workers import SIGNALS
from ..runner.portable_runner import seconds_to_wait
from ..runner.resumable_loop import ResumableLoop
from ..runner.work_dir import clear_marker, note_last
from .saving import save_between

#: What a preempted process exits with (EX_TEMPFAIL: try again later).
#: torchrun reports 1 whatever a worker's code was, hence the marker file.
#: Where ``tools/launch.py`` would restart it, 0 (:func:`stops_in_peace`).
EXIT_CODE = 75
#: In the message hub: the iteration of the last regular checkpoint.
SAVED_AT = 'saved_at'
#: One wish to stop may come several times, from a group, its launcher and
#: its scheduler; who still presses Ctrl-C after so many seconds means it.
PATIENCE = 2.0


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM, SIGINT or SIGUSR1 finish the step, save and exit.

    All ranks stop after the same step, or the same batch of an evaluation,
    whichever was signalled first. The work dir then has ``preempted.pth``,
    unless a regular checkpoint was just saved, and a file ``preempted``,
    which a resume removes. Further signals change nothing, but Ctrl-C after
    :data:`PATIENCE` seconds interrupts at once. mmengine's own epoch loop
    cannot go on within an epoch: there the last checkpoint is what the run
    goes on from, and nothing is saved.
    """

    # After the logger and the checkpoints: what they have just saved is not
    # saved once more.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.received: int | None = None
        self.since = 0.0
        self.previous: dict = {}
        self.training = False
        self.batches = 0
        self.group = None

    def before_train(self, runner) -> None:
        """Listen.

        Raises:
            SystemExit: If torchrun has restarted what was to stop.
        """
        if _was_stopped(runner.work_dir):
            raise SystemExit(_exit_code(runner))
        # None is left where machines see another work dir than the first.
        clear_marker(runner.work_dir)
        self.training = True
        if get_world_size() > 1:
            # On the CPU, so that asking each other waits for no device.
            seconds = seconds_to_wait(runner.cfg.get('env_cfg'))
            self.group = torch_dist.new_group(
                backend='gloo', timeout=timedelta(seconds=seconds)
            )
        # Python delivers signals to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self.previous = {
                number: signal.signal(number, self._remember)
                for number in SIGNALS
            }

    def after_train(self, runner) -> None:
        """Too late to stop: what comes now ends by itself."""
        self.training = False
        self._leave_group()

    def after_run(self, runner) -> None:
        """Stop listening."""
        self._restore()

    def after_failure(self, runner) -> None:
        """Give the signals back, to a notebook for one."""
        self._restore()
        self._leave_group()
        self.training = False

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Stop here if any rank was asked to, and a step is complete."""
        if runner.optim_wrapper.should_update() and self._asked():
            self._stop(runner, runner.iter + 1)

    def before_val(self, runner) -> None:
        """Do not begin an evaluation if any rank was asked to stop."""
        if not self.training:
            return
        if self._asked():
            self._stop(runner, runner.iter)
        # Of ranks with more batches than others none asks more often.
        self.batches = self._reduce(
            len(runner.val_dataloader), torch_dist.ReduceOp.MIN
        )

    def after_val_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Break an evaluation off; a resume makes up for it."""
        if batch_idx < self.batches:
            self.before_batch_judged(runner)

    def before_batch_judged(self, runner) -> None:
        """Likewise, of :class:`ccmim_mm.engine.FrozenFeatureLoop`."""
        if self.training and self._asked():
            for hook in runner.hooks:
                # It has put the average in the place of the weights.
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)
            self._stop(runner, runner.iter)

    def _remember(self, number: int, frame) -> None:
        if self.received is None:
            self.received, self.since = number, time.monotonic()
        elif number == signal.SIGINT and (
            time.monotonic() - self.since > PATIENCE
        ):
            self._restore()
            raise KeyboardInterrupt

    def _restore(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}

    def _asked(self) -> bool:
        asked = self._reduce(self.received or 0, torch_dist.ReduceOp.MAX)
        if asked and self.received is None:
            self.received, self.since = asked, time.monotonic()
        return bool(asked)

    def _reduce(self, number: int, how: Any) -> int:
        """A number over all ranks."""
        value = torch.tensor(int(number))
        if self.group is not None:
            torch_dist.all_reduce(value, how, group=self.group)
        return int(value)

    def _any(self, here: bool) -> bool:
        """Whether it is so on any rank."""
        return bool(self._reduce(here, torch_dist.ReduceOp.MAX))

    def _stop(self, runner, done: int) -> NoReturn:
        """Save where it stands, leave the marker, exit.

        Args:
            runner: The runner.
            done: Iterations done.
        """
        name = signal.Signals(self.received or 0).name
        failed = False
        try:
            said = self._save(runner, done)
        except OSError as error:
            # A full disk: the others wait, and the job ends anyway.
            failed = True
            said = f'saving failed ({error})'
        failed = self._any(failed)
        if not failed:
            try:
                _mark(runner, f'{name} at iteration {done}\n')
            except OSError as error:
                failed = True
                said = f'{said}, marking that failed ({error})'
        runner.logger.info(
            f'{name}: {said}, exiting with {EXIT_CODE}; --resume goes on from '
            'the newest checkpoint'
        )
        # Nobody leaves before the file is there; and all alike.
        failed = self._any(failed)
        if failed:
            # One machine's launcher is not to restart what others' end.
            clear_marker(runner.work_dir)
        self._leave_group()
        raise SystemExit(EXIT_CODE if failed else _exit_code(runner))

    def _save(self, runner, done: int) -> str:
        """Save unless that is of no use; what was done."""
        loop, hub = runner.train_loop, runner.message_hub
        if not done:
            return 'nothing was trained yet'
        # All save or none does: a sharded model takes all of them.
        saved = hub.runtime_info.get(SAVED_AT) == done
        if self._reduce(int(saved), torch_dist.ReduceOp.MIN):
            return f'{hub.get_info("last_ckpt")} is there'
        if isinstance(loop, EpochBasedTrainLoop) and not isinstance(
            loop, ResumableLoop
        ):
            return 'nothing saved within the epoch'
        save_between(runner, PREEMPTED, done)
        note_last(Path(runner.work_dir, PREEMPTED))
        return f'saved {PREEMPTED} at iteration {done}'

    def _leave_group(self) -> None:
        """End the group's threads, which would abort the process's exit."""
        if self.group is not None:
            torch_dist.destroy_process_group(self.group)
            self.group = None


def _was_stopped(work_dir: str) -> bool:
    """Whether torchrun has restarted what was to stop.

    The first rank looks for all, who may see another work dir, or see this
    one earlier or later.
    """
    # All ask, whatever each finds.
    again = restarted()
    found = is_main_process() and os.path.isfile(Path(work_dir, MARKER))
    marked = torch.tensor(int(found))
    all_reduce(marked, 'max')
    return again and bool(marked)


def _mark(runner, text: str) -> None:
    """Say on every machine, whose launcher looks for it, that it stopped."""
    if is_first_of_machine():
        write_atomic(text.encode(), Path(runner.work_dir, MARKER))


def _exit_code(runner) -> int:
    """What this rank exits with; the command exits with 75 in any case."""
    return 0 if stops_in_peace(runner.work_dir) else EXIT_CODE
