"""A run that is what its config says, however it is started."""

import copy
from collections.abc import Callable
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.registry import RUNNERS
from mmpretrain.utils import get_ori_model
from torch import nn

from ...checkpoints import local_file
from ...datasets.classes import has_classes
from ...datasets.config_checks import check_data
from ...files import remove_parts
from ...models import PretrainMethod
from ...run_files import WRITTEN, holds_regular
from ...torchrun import restarted
from .checkpoint_runner import CheckpointRunner
from .prepare import as_given, prepare
from .schedule_length import schedule_problem, without_short_warm_ups
from .work_dir import (
    WorkDirLock,
    clear_marker,
    is_in,
    newest_checkpoint,
    refuse_fresh_start,
)


@RUNNERS.register_module()
class ResilientRunner(CheckpointRunner):
    """A runner whose runs are what their config says, however started.

    Named by a config's ``runner_type``, it is what mmpretrain's, mmdet's and
    this project's tools build. Beside the parents' keys it reads of a
    config: ``data_root`` (see :func:`apply_data_root`), ``classes`` and
    ``pretrained`` (a checkpoint of any known format to start from, if there
    is nothing to resume). ``resume`` goes on from the newest checkpoint that
    is good. A work dir that holds a run is never overwritten.

    Args:
        args: As for mmengine's ``Runner``.
        kwargs: Likewise.
    """

    # Of the parent.
    cfg: Config
    _resume: bool
    _load_from: str | None

    def __init__(self, *args, **kwargs) -> None:
        self._checked = False
        self._lock: WorkDirLock | None = None
        with self.speaking_plainly():
            super().__init__(*args, **kwargs)

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'ResilientRunner':
        """Build the runner of a config, whose data are found first.

        Raises:
            FileExistsError: If the run would write over its config, or among
                the pictures that are its data.
            ImportError: If what the task needs is not installed.
            FileNotFoundError: If the data folder lacks what it needs.
            ValueError: If classes, annotations or parts do not fit.
        """
        return super().from_cfg(prepare(copy.deepcopy(cfg)))

    def check_input(self) -> None:
        """Check work dir, checkpoint and data before anything long begins.

        Training does so by itself.

        Raises:
            FileExistsError: If the work dir holds a run and this is another.
            FileNotFoundError: If a checkpoint is missing.
            ValueError: If data or checkpoint do not fit.
        """
        if not self._checked:
            with self.speaking_plainly():
                self._check_input()

    def _check_input(self) -> None:
        again = restarted()
        self._on_main(self._take_work_dir)
        if not again:
            # An earlier stop's, which would have a failure taken for one.
            clear_marker(self.work_dir)
        self._find_start(again)
        method = get_ori_model(self.model)
        if isinstance(method, PretrainMethod):
            method.before_training(self.trust)
        problem = schedule_problem(self.cfg)
        if problem and not self._resume:
            self.logger.warning(problem)
        if has_classes(self.cfg):
            check_data(self.cfg)
        self._checked = True
        self.dump_config()

    def train(self) -> nn.Module:
        """Train, see the parent, after :meth:`check_input`.

        If that fails, hooks that have an ``after_failure(runner)`` can let
        go of what they hold.
        """
        try:
            with self.speaking_plainly():
                self.check_input()
                return super().train()
        except BaseException:
            self.call_hook('after_failure')
            raise
        finally:
            if self._lock is not None:
                self._lock.release()

    def test(self) -> dict:
        """Judge on the test data, see the parent, once they are checked.

        Raises:
            FileNotFoundError: If a part of them is missing.
            ValueError: If they do not fit the classes.
        """
        if has_classes(self.cfg):
            with self.speaking_plainly():
                check_data(self.cfg, ['test'])
        return super().test()

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """Build an evaluator; of metrics alone a :class:`ReadableEvaluator`.

        Args:
            evaluator: A metric's config, a list of them, an evaluator or its
                config.
        """
        known = isinstance(evaluator, Evaluator)
        if not (
            known or (isinstance(evaluator, dict) and 'metrics' in evaluator)
        ):
            evaluator = dict(type='ReadableEvaluator', metrics=evaluator)
        return super().build_evaluator(evaluator)

    def dump_config(self) -> None:
        """Keep the config in the work dir, for other data as well.

        Not before it is known that this run, and no other, trains there.
        """
        if not self._checked:
            return
        prepared = self.cfg
        self.cfg = as_given(prepared)
        try:
            super().dump_config()
        finally:
            self.cfg = prepared

    def _take_work_dir(self) -> None:
        self._lock = WorkDirLock(self.work_dir, self.logger)
        remove_parts(self.work_dir, WRITTEN)

    def _find_start(self, again: bool) -> None:
        """Decide what the run starts from.

        Args:
            again: Whether torchrun has restarted it, the same on all ranks.
        """
        if again:
            # torchrun started the processes again: not from where they
            # began, but from what they have saved since.
            if self._on_main(holds_regular, self.work_dir):
                self._resume, self._load_from = True, None
            elif self._load_from is None:
                # At most a best one, which is nothing to go on from.
                self._resume = False
        elsewhere = self._load_from and not is_in(
            self.work_dir, self._load_from
        )
        if not again and (not self._resume or elsewhere):
            self._on_main(refuse_fresh_start, self.work_dir)
        if self._resume and self._load_from is None:
            newest = self._on_main(
                newest_checkpoint, self.work_dir, self.logger
            )
            self._load_from = newest
            if newest is None:
                self.logger.info('No checkpoint to resume: starting anew')
                self._resume = False
        if not self._resume:
            self._load_from = self._load_from or self.cfg.get('pretrained')
            if self._load_from:
                # Whether it fits, before the data are read. No hook has
                # begun; the run loads it once more.
                self._load_weights(local_file(self._load_from))

    @staticmethod
    def _on_main(function: Callable, *args: Any) -> Any:
        """What a function returns, or raises, on the main process."""
        found: list[Any] = [None, None]
        if is_main_process():
            try:
                found[0] = function(*args)
            except Exception as error:
                # Handed over, or the others would wait.
                found[1] = error
        broadcast_object_list(found)
        if found[1] is not None:
            raise found[1]
        return found[0]

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedule, see the parent; with warm-ups that end."""
        scheduler, lines = without_short_warm_ups(
            scheduler, len(self.train_dataloader)
        )
        for line in lines:
            self.logger.warning(line)
        return super().build_param_scheduler(scheduler)
