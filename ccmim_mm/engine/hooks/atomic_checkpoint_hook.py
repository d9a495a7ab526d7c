"""Checkpoints that are complete or absent, and pruned only when replaced."""

import re
from contextlib import suppress
from pathlib import Path

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, RUNNERS
from mmengine.runner import IterBasedTrainLoop

from ...run_files import LAST_CHECKPOINT, PREEMPTED
from ..enduring import enduring
from ..runner import ResilientRunner
from ..runner.work_dir import note_last, refuse_fresh_start
from .best_metric import BestMetric
from .preemption_hook import SAVED_AT

BACKEND = dict(backend='atomic')
#: Failed attempts in a row that stop a run.
MOST_FAILURES = 3
#: Names that a run gives its checkpoints.
OWN = re.compile(r'(best_[^/]+_)?(epoch|iter)_\d+\.pth|' + PREEMPTED)


@HOOKS.register_module()
class AtomicCheckpointHook(Hook):
    """Saves checkpoints, for runs that must survive.

    A checkpoint appears under its name when it is complete; the ones that it
    replaces are deleted after that, not before. If saving fails (a full
    disk), the previous one stays, training goes on, and only several
    failures in a row stop it. Only files that this run wrote into its own
    work dir are ever deleted; names in a checkpoint are names there.

    Args:
        interval: Epochs or iterations between checkpoints; -1 saves none
            but the last.
        by_epoch: Whether it counts epochs.
        max_keep_ckpts: Checkpoints to keep, the newest; -1 keeps all.
        save_last: Save at the end of the training too.
        save_best: The metric whose best checkpoint is kept beside them;
            ``auto`` is the first of an evaluation, None keeps none.
        rule: Whether ``greater`` or ``less`` is better; None is ``less``
            for losses.

    Raises:
        OSError: After :data:`MOST_FAILURES` in a row.
        ValueError: If a checkpoint would fall between the batches of a step,
            there is no such rule, or ``save_best`` is more than one metric.
    """

    # After all that changes what is saved.
    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = -1,
        by_epoch: bool = True,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | None = None,
        rule: str | None = None,
    ) -> None:
        if rule not in (None, 'greater', 'less'):
            raise ValueError(
                f'default_hooks.checkpoint.rule={rule!r}: use greater or less'
            )
        if not isinstance(save_best, str | None):
            raise ValueError(
                f'default_hooks.checkpoint.save_best={save_best!r}: name one '
                "metric, or 'auto' for the first"
            )
        self.interval = interval
        self.by_epoch = by_epoch
        self.max_keep_ckpts = max_keep_ckpts
        self.save_last = save_last
        self.save_best = save_best
        self.rule = rule
        self.failures = 0

    def before_run(self, runner) -> None:
        """Refuse a runner that could not read what is saved here.

        Raises:
            TypeError: If the config asks for another runner.
        """
        wanted = RUNNERS.get(runner.cfg.get('runner_type', 'Runner'))
        if not isinstance(runner, wanted):
            raise TypeError(
                f'the config is for a {wanted.__name__}, this is a '
                f'{type(runner).__name__}: build it with RUNNERS.build(cfg)'
            )

    def before_train(self, runner) -> None:
        """Refuse checkpoints that would never come, or cut a step.

        Raises:
            FileExistsError: With a runner of another project, if the work
                dir holds a run.
            ValueError: If a checkpoint would fall between the batches of a
                step, or counts what the loop does not.
        """
        if not (isinstance(runner, ResilientRunner) or runner.iter):
            # Another has not looked, and would write over what is there.
            refuse_fresh_start(runner.work_dir)
        loop = runner.train_loop
        if self.by_epoch and isinstance(loop, IterBasedTrainLoop):
            raise ValueError(
                f'{type(loop).__name__} counts no epochs: set default_hooks.'
                'checkpoint.by_epoch=False, and interval in iterations'
            )
        step = runner.cfg.optim_wrapper.get('accumulative_counts', 1)
        if not self.by_epoch and self.interval > 0 and self.interval % step:
            raise ValueError(
                f'a checkpoint every {self.interval} iterations falls '
                f'between the {step} batches of a step, whose gradients it '
                'would lose: set default_hooks.checkpoint.interval to a '
                f'multiple of {step}'
            )

    def after_train_epoch(self, runner) -> None:
        """Save if an epoch is due."""
        done = runner.epoch + 1
        last = self.save_last and done == runner.max_epochs
        if self.by_epoch and (self._due(done) or last):
            self._save(runner, f'epoch_{done}.pth', runner.iter)

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Save if an iteration is due."""
        done = runner.iter + 1
        last = self.save_last and done == runner.max_iters
        if not self.by_epoch and (self._due(done) or last):
            self._save(runner, f'iter_{done}.pth', done)

    def after_val_epoch(
        self, runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Keep the best.

        Raises:
            ValueError: If the first evaluation, as a rule that before the
                first step, lacks the metric.
        """
        if self.save_best is None or not metrics:
            return
        known = runner.message_hub.runtime_info
        metric = BestMetric(self.save_best, self.rule)
        told = metric.told(metrics, known, runner.logger)
        # An untrained one is not kept.
        if told is None or not runner.iter:
            return
        name = told['best_metric'].replace('/', '_')
        filename = f'best_{name}_{self._counted(runner)}.pth'
        # The best by another metric stays.
        before = metric.is_same(told, known) and known.get('best_checkpoint')
        # To be used, not to be trained on.
        options = dict(
            meta=dict(epoch=runner.epoch, iter=runner.iter),
            save_optimizer=False,
            save_param_scheduler=False,
        )
        told['best_checkpoint'] = filename
        if self._try(runner, filename, told, options) and before != filename:
            _remove(runner, before or None)

    def after_train(self, runner) -> None:
        """Save at the end of a training that another hook ended early."""
        saved = runner.message_hub.runtime_info.get(SAVED_AT)
        if self.save_last and runner.iter and saved != runner.iter:
            # The epoch is counted already.
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            filename = f'{self._counted(runner)}.pth'
            self._save(runner, filename, runner.iter, dict(meta=meta))

    def _counted(self, runner) -> str:
        return (
            f'epoch_{runner.epoch}' if self.by_epoch else f'iter_{runner.iter}'
        )

    def _due(self, done: int) -> bool:
        return self.interval > 0 and done % self.interval == 0

    def _save(
        self, runner, filename: str, done: int, options: dict = {}
    ) -> None:
        """Save one of the regular checkpoints, and prune the others."""
        kept = runner.message_hub.runtime_info.get('checkpoints', [])
        kept = [name for name in kept if name != filename] + [filename]
        most = self.max_keep_ckpts if self.max_keep_ckpts > 0 else len(kept)
        told = {
            'checkpoints': kept[-most:],
            'last_ckpt': filename,
            SAVED_AT: done,
        }
        if not self._try(runner, filename, told, options):
            return
        for name in (*kept[:-most], PREEMPTED):
            _remove(runner, name)

    def _try(self, runner, filename: str, told: dict, options: dict) -> bool:
        """Save; a failure is one of those that may happen.

        Args:
            runner: The runner.
            filename: In the work dir.
            told: What the message hub is to know if it succeeds.
            options: Of the runner's ``save_checkpoint``.
        """
        hub = runner.message_hub
        before = {name: hub.runtime_info.get(name) for name in told}
        hub.update_info_dict(told)
        try:
            runner.save_checkpoint(
                runner.work_dir,
                filename,
                by_epoch=self.by_epoch,
                backend_args=BACKEND,
                **options,
            )
        except OSError as error:
            for name, value in before.items():
                hub.update_info(name, value)
                if value is None:
                    hub.pop_info(name)
            self.failures += 1
            if self.failures >= MOST_FAILURES:
                raise OSError(
                    f'no checkpoint could be saved {self.failures} times in '
                    f'a row: {error}; make room in {runner.work_dir}, then '
                    '--resume'
                ) from error
            runner.logger.error(
                f'Saving failed ({error}); '
                f'{hub.runtime_info.get("last_ckpt")} stays, '
                f'and training goes on ({self.failures} of {MOST_FAILURES})'
            )
            return False
        self.failures = 0
        if 'last_ckpt' in told:
            _note_last(runner, filename)
        return True


@master_only
def _note_last(runner, filename: str) -> None:
    """Have a resume go on from a checkpoint that is there.

    If that cannot be noted, no save has failed: the main process alone would
    know of it, and save again, for which the others do not come.
    """
    path = Path(runner.work_dir, filename)
    try:
        note_last(path)
    except OSError as error:
        with suppress(OSError):
            # Of an older one; without it the newest is taken.
            path.with_name(LAST_CHECKPOINT).unlink(missing_ok=True)
        runner.logger.warning(
            f'{filename} is saved, and not named in {LAST_CHECKPOINT} '
            f'({error})'
        )


def _remove(runner, name: str | None) -> None:
    """Remove a checkpoint of a run from its work dir, if it is there.

    One that cannot be removed stays, and the training goes on.

    The name may come from a checkpoint: it is none of a path, nor of a file
    that no run writes.
    """
    if name and OWN.fullmatch(name) and is_main_process():
        path = Path(runner.work_dir, name)
        with enduring(path, 'stays: it could not be removed'):
            if path.is_file():
                path.unlink()
