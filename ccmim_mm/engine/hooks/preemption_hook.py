"""Stopping when asked to, without losing a step."""

import signal
import threading
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as torch_dist
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from ...files import write_atomic
from ..runner.resumable_loops import ResumableEpochTrainLoop

#: What a preempted process exits with (EX_TEMPFAIL: try again later).
#: torchrun reports 1 whatever a worker's code was, hence the marker file.
EXIT_CODE = 75
MARKER = 'preempted'
#: The checkpoint of a stop; the next regular one takes its place.
PREEMPTED = 'preempted.pth'


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM, SIGINT or SIGUSR1 finish the step, save and exit.

    All ranks stop after the same step, whichever was signalled first. The
    work dir then has ``preempted.pth`` and a file ``preempted``, which a
    resume removes. A second signal interrupts at once. mmengine's own epoch
    loop cannot go on within an epoch: there the last checkpoint is what the
    run goes on from, and nothing is saved.
    """

    # Before the logger and the checkpoints.
    priority = 'VERY_LOW'
    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

    def __init__(self) -> None:
        self.received: int | None = None
        self.previous: dict = {}
        self.group = None

    def before_train(self, runner) -> None:
        """Listen, and forget an earlier stop."""
        Path(runner.work_dir, MARKER).unlink(missing_ok=True)
        if get_world_size() > 1:
            # On the CPU, so that asking each other waits for no device.
            self.group = torch_dist.new_group(backend='gloo')
        # Python delivers signals to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self.previous = {
                number: signal.signal(number, self._remember)
                for number in self.SIGNALS
            }

    def after_train(self, runner) -> None:
        """Stop listening."""
        self._restore()
        self._leave_group()

    def after_failure(self, runner) -> None:
        """Give the signals back, to a notebook for one."""
        self._restore()

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Stop here if any rank was asked to, and a step is complete."""
        if runner.optim_wrapper.should_update() and self._asked():
            self._stop(runner)

    def _remember(self, number: int, frame) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}

    def _asked(self) -> bool:
        asked = torch.tensor(self.received or 0)
        if self.group is not None:
            torch_dist.all_reduce(
                asked, torch_dist.ReduceOp.MAX, group=self.group
            )
        self.received = int(asked)
        return bool(self.received)

    def _stop(self, runner) -> NoReturn:
        """Save within the epoch, leave the marker, exit."""
        done = runner.iter + 1
        name = signal.Signals(self.received or 0).name
        loop = runner.train_loop
        replays = isinstance(loop, EpochBasedTrainLoop) and not isinstance(
            loop, ResumableEpochTrainLoop
        )
        said = 'nothing saved within the epoch'
        try:
            if not replays:
                said = self._save(runner, done)
            if is_main_process():
                marker = Path(runner.work_dir, MARKER)
                write_atomic(f'{name} at iteration {done}\n'.encode(), marker)
        except OSError as error:
            # A full disk: the others wait, and the job ends anyway.
            said = f'saving failed ({error})'
        runner.logger.info(
            f'{name}: {said}, exiting with {EXIT_CODE}; --resume goes on from '
            'the newest checkpoint'
        )
        if self.group is not None:
            # Nobody leaves before the file is there.
            torch_dist.barrier(group=self.group)
        self._leave_group()
        raise SystemExit(EXIT_CODE)

    @staticmethod
    def _save(runner, done: int) -> str:
        runner.save_checkpoint(
            runner.work_dir,
            PREEMPTED,
            meta=dict(epoch=runner.epoch, iter=done),
            by_epoch=False,
            backend_args=dict(backend='atomic'),
        )
        if is_main_process():
            path = Path(runner.work_dir, PREEMPTED)
            last = Path(runner.work_dir, 'last_checkpoint')
            write_atomic(str(path).encode(), last)
        return f'saved {PREEMPTED} at iteration {done}'

    def _leave_group(self) -> None:
        """End the group's threads, which would abort the process's exit."""
        if self.group is not None:
            torch_dist.destroy_process_group(self.group)
            self.group = None
