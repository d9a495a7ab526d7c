"""Steps whose numbers are not finite: counted, listed, stopped."""

from pathlib import Path

import torch
from mmengine.dist import all_reduce, barrier, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor

from ...files import printable, write_atomic
from ...run_files import LAST_GOOD, STOPPED
from ...torchrun import restarted
from ..enduring import append
from ..optimizers import FiniteOptimWrapper
from .log_interval import log_interval
from .saving import save_between


@HOOKS.register_module()
class SkippedStepsHook(Hook):
    """Count the steps that were skipped, and stop if that does not end.

    Steps with gradients that are not finite are skipped by the optimizer
    wrapper (:class:`ccmim_mm.engine.FiniteOptimWrapper`); with another
    wrapper a step counts whose loss is not finite, and its weights may be
    spoilt, so that the stop saves none. They are counted in the log's
    ``skipped_steps``, the pictures of their batches are listed in
    ``not_finite_rankN.txt``, and too many in a row stop the run; the weights
    of the last good step are saved. Nothing is read from the device before
    the log or a checkpoint is written.

    Args:
        max_skipped: Skipped steps in a row that stop the run, at least 1;
            seen when the log is written, so up to an interval late, and
            whether or not good ones have followed.

    Raises:
        FloatingPointError: After so many, on all ranks.
    """

    # After the optimizer's step, before the logger prints.
    priority = 'ABOVE_NORMAL'

    def __init__(self, max_skipped: int = 10) -> None:
        self.max_skipped = max_skipped
        self.interval = 1
        self.in_row = 0
        #: The longest row since the last look.
        self.longest = 0
        #: Of the step that is being accumulated: finite losses, pictures.
        self.batches: list[tuple[Tensor, list[str]]] = []
        #: Of the steps since the last look: skipped or not, and batches.
        self.steps: list[tuple[Tensor, list[tuple[Tensor, list[str]]]]] = []

    def before_train(self, runner) -> None:
        """Learn how often the logger prints.

        Raises:
            FloatingPointError: If torchrun has restarted what was stopped.
        """
        self.interval = log_interval(runner)
        marker = Path(runner.work_dir, STOPPED)
        # All ask, whatever each finds.
        if restarted() and marker.is_file():
            raise FloatingPointError(marker.read_text().strip())
        marker.unlink(missing_ok=True)

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Keep what happened, on the device, and look when it is logged."""
        loss = (outputs or {}).get('loss')
        if loss is None:
            return
        samples = (data_batch or {}).get('data_samples') or []
        pictures = [printable(s.get('img_path', '?')) for s in samples]
        self.batches.append((torch.isfinite(loss.detach()), pictures))
        if runner.optim_wrapper.should_update():
            self.steps.append((self._skipped(runner), self.batches))
            self.batches = []
        if self.every_n_inner_iters(batch_idx, self.interval) or (
            self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            self._look(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave no step out of a checkpoint's count."""
        if self.steps:
            self._read(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def after_train(self, runner) -> None:
        """Look at what came after the last log."""
        self._read(runner)

    def _skipped(self, runner) -> Tensor:
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, FiniteOptimWrapper) and (
            wrapper.broken is not None
        ):
            return wrapper.broken
        finite = torch.stack([finite for finite, _ in self.batches])
        return (~finite.all()).float()

    def _look(self, runner) -> None:
        """Count, list, and stop if there are too many, on all ranks."""
        self._read(runner)
        in_row = torch.tensor(self.longest)
        self.longest = 0
        all_reduce(in_row, 'max')
        if in_row >= self.max_skipped:
            self._stop(runner, int(in_row))

    def _read(self, runner) -> None:
        """Read all flags in one transfer; count and list."""
        if not self.steps:
            return
        flags = [flag.float() for flag, _ in self.steps]
        flags += [f.float() for _, batches in self.steps for f, _ in batches]
        values = torch.stack(flags).tolist()
        skipped = values[: len(self.steps)]
        finite = iter(values[len(self.steps) :])
        broken: list[str] = []
        for is_skipped, (_, batches) in zip(skipped, self.steps, strict=True):
            self.in_row = self.in_row + 1 if is_skipped else 0
            self.longest = max(self.longest, self.in_row)
            for _, pictures in batches:
                loss = 'finite' if next(finite) else 'not finite'
                if is_skipped:
                    broken += [f'# loss {loss}', *pictures, '']
        self.steps = []
        hub = runner.message_hub
        total = hub.runtime_info.get('skipped_steps', 0) + int(sum(skipped))
        hub.update_info('skipped_steps', total)
        hub.update_scalar('train/skipped_steps', total)
        if broken:
            self._list(runner, broken)

    def _list(self, runner, lines: list[str]) -> None:
        path = Path(runner.work_dir, f'not_finite_rank{get_rank()}.txt')
        append(path, lines)
        runner.logger.warning(
            'Steps with gradients that are not finite were skipped; their '
            f'pictures are listed in {path}'
        )

    def _stop(self, runner, in_row: int) -> None:
        done = runner.iter + 1
        message = (
            f'{in_row} steps in a row had gradients that are not finite, as '
            f'seen at iteration {done}; pictures of such batches are in '
            'not_finite_*.txt. '
        )
        try:
            message += self._save_last_good(runner, done)
            if is_main_process():
                marker = Path(runner.work_dir, STOPPED)
                write_atomic(f'{message}\n'.encode(), marker)
        except OSError as error:
            # A full disk, say: the other ranks wait below all the same.
            message += f'Saving failed: {error}'
        # No rank ends, and takes the others with it, before that is there.
        barrier()
        raise FloatingPointError(message)

    @staticmethod
    def _save_last_good(runner, done: int) -> str:
        """Save the weights if they are good; what to do now."""
        if not isinstance(runner.optim_wrapper, FiniteOptimWrapper):
            return (
                'The weights may be spoilt: go back to an earlier checkpoint, '
                "and set optim_wrapper.type='FiniteOptimWrapper', which skips "
                'such steps'
            )
        save_between(runner, LAST_GOOD, done)
        return (
            f'The last good weights are in {LAST_GOOD}: start from them with '
            'a lower optim_wrapper.optimizer.lr (--pretrained '
            f'{LAST_GOOD}, another --work-dir) or in fp32'
        )
