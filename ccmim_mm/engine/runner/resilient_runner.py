"""mmengine's runner, for checkpoints that may be broken or hostile."""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import (
    broadcast_object_list,
    is_main_process,
)
from mmengine.registry import RUNNERS
from mmpretrain.utils import get_ori_model
from torch import nn

from ...checkpoints import (
    TO_RESUME,
    ByName,
    check_like,
    check_place,
    check_progress,
    check_run,
    check_state,
    heads_of,
    load,
    load_for_test,
    load_pretrained,
    local_file,
    read_as_project,
    read_safely,
    safe_init_cfg,
    to_weights_only,
    told_heads,
    unpack_histories,
)
from ...datasets.classes import check_data, has_classes
from ...files import remove_parts
from ...models import PretrainMethod
from .portable_runner import PortableRunner
from .prepare import as_given, prepare
from .resumable_loops import ResumableEpochTrainLoop, ResumableIterTrainLoop
from .schedule import replay_schedule
from .schedule_length import schedule_problem, without_short_warm_ups
from .settings import (
    Changes,
    changes,
    check_changes,
    describe,
    moves_schedule,
    settings_of,
)
from .work_dir import WorkDirLock, newest_checkpoint, refuse_fresh_start


@RUNNERS.register_module()
class ResilientRunner(PortableRunner):
    """A runner whose runs are what their config says, however started.

    Named by a config's ``runner_type``, it is what mmpretrain's, mmdet's and
    this project's tools build. Beside the parent's keys it reads of a
    config: ``data_root`` (see :func:`apply_data_root`), ``classes``,
    ``pretrained`` (a checkpoint of any known format to start from, if there
    is nothing to resume), ``allow_partial`` and ``trust_checkpoint`` (let
    files run code). Files are checked for being whole, no code in them is
    run, the config in them is not evaluated, and ``resume`` goes on from the
    newest checkpoint that is good. A work dir that holds a run is never
    overwritten.

    Args:
        args: As for mmengine's ``Runner``.
        kwargs: Likewise.
    """

    # Of the parent.
    cfg: Config
    param_schedulers: Any
    _resume: bool
    _load_from: str | None

    def __init__(self, *args, **kwargs) -> None:
        self._resuming = self._judging = self._checked = False
        self._loop_state: dict[str, Any] | None = None
        self._changed: Changes = {}
        self._lock: WorkDirLock | None = None
        super().__init__(*args, **kwargs)
        self.trust = bool(self.cfg.get('trust_checkpoint', False))

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'ResilientRunner':
        """Build the runner of a config, whose data are found first.

        Raises:
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
        if self._checked:
            return
        if is_main_process():
            self._lock = WorkDirLock(self.work_dir, self.logger)
            remove_parts(self.work_dir)
        self._find_start()
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
            self.check_input()
            return super().train()
        except BaseException:
            self.call_hook('after_failure')
            raise
        finally:
            if self._lock is not None:
                self._lock.release()

    def val(self) -> dict:
        """Judge on the validation data, see the parent."""
        with self._judged():
            return super().val()

    def test(self) -> dict:
        """Judge on the test data, see the parent."""
        with self._judged():
            return super().test()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Load to be judged, meanwhile."""
        self._judging = True
        try:
            yield
        finally:
            self._judging = False

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """Call the hooks; what is saved can be read without running code."""
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            checkpoint = kwargs['checkpoint']
            checkpoint.update(to_weights_only(dict(checkpoint)))

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

    def _find_start(self) -> None:
        """Decide what the run starts from."""
        last = Path(self.work_dir, 'last_checkpoint')
        restarted = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
        if restarted and last.exists():
            # torchrun started the processes again: not from where they
            # began, but from what they have saved since.
            self._resume, self._load_from = True, None
        elsewhere = self._load_from and not self._is_own(self._load_from)
        if is_main_process() and (not self._resume or elsewhere):
            refuse_fresh_start(self.work_dir)
        if self._resume and self._load_from is None:
            newest: list[str | None] = [None]
            if is_main_process():
                newest[0] = newest_checkpoint(self.work_dir, self.logger)
            broadcast_object_list(newest)
            self._load_from = newest[0]
            if newest[0] is None:
                self.logger.info('No checkpoint to resume: starting anew')
                self._resume = False
        if not self._resume:
            self._load_from = self._load_from or self.cfg.get('pretrained')
            if self._load_from:
                # Whether it fits, before the data are read.
                self.load_checkpoint(self._load_from)

    def _is_own(self, checkpoint: str) -> bool:
        folder = Path(checkpoint).resolve().parent
        return folder == Path(self.work_dir).resolve()

    def _init_model_weights(self) -> None:
        with safe_init_cfg(self.trust):
            super()._init_model_weights()
        # What was loaded to be checked has been overwritten.
        self._has_loaded = False

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedule, see the parent; with warm-ups that end."""
        scheduler, lines = without_short_warm_ups(
            scheduler, len(self.train_dataloader)
        )
        for line in lines:
            self.logger.warning(line)
        return super().build_param_scheduler(scheduler)

    def resume(self, filename: str, *args, **kwargs) -> None:
        """Go on from a checkpoint, see the parent.

        Raises:
            ValueError: If it was made by another number of processes or
                batch size, and within an epoch.
        """
        self._resuming = True
        try:
            super().resume(filename, *args, **kwargs)
        finally:
            self._resuming = False
        if not self._is_own(filename):
            # Of files that are not in this work dir.
            for name in (
                *('checkpoints', 'last_ckpt', 'saved_at'),
                *('best_score', 'best_checkpoint'),
            ):
                self.message_hub.pop_info(name)
        loop, done = self.train_loop, self.iter
        if isinstance(loop, ResumableEpochTrainLoop | ResumableIterTrainLoop):
            try:
                self._changed |= loop.load_state_dict(self._loop_state)
            except ValueError as error:
                raise ValueError(f'{filename}: {error}') from None
            if self.iter != done or moves_schedule(self._changed):
                replay_schedule(self)
        if self._changed:
            self.logger.warning(
                f'Other settings than {filename} had, from here on: '
                f'{describe(self._changed, most=20)}'
            )

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', *args, **kwargs
    ) -> dict:
        """Load weights: to go on, to start from, or to be judged.

        Args:
            filename: The file, or its place over https; of any known
                format, unless a run resumes.
            map_location: Where its tensors go.
            args: Of the parent, not used: every tensor is accounted for.
            kwargs: Likewise.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it is broken, hostile, not finite or of another
                model.
        """
        filename = local_file(filename)
        if self._resuming:
            checkpoint = self._load_run(filename, map_location)
        else:
            checkpoint = self._load_weights(filename)
        self._has_loaded = True
        return checkpoint

    def _load_weights(self, filename: str) -> dict:
        try:
            state, heads, form = read_as_project(filename, self.trust)
            if self._judging:
                account = load_for_test(self.model, state, heads)
            else:
                account = load_pretrained(
                    get_ori_model(self.model),
                    state,
                    self.cfg.get('allow_partial', False),
                    heads,
                )
        except ValueError as error:
            if str(filename) in str(error):
                raise
            raise ValueError(f'{filename}: {error}') from None
        self.logger.info(f'{filename} ({form} names): {account}')
        # An average of the weights starts from them.
        loaded = dict(state_dict=get_ori_model(self.model).state_dict())
        self.call_hook('after_load_checkpoint', checkpoint=loaded)
        return dict(state_dict=state)

    def _load_run(self, filename: str, map_location: Any) -> dict:
        """All weights of a checkpoint of a run, and the rest for the parent.

        Raises:
            ValueError: If anything in it is not what a run like this one
                saves, or not finite.
        """
        checkpoint = read_safely(filename, map_location, trust=self.trust)
        model, loop = get_ori_model(self.model), self.train_loop
        try:
            check_progress(checkpoint)
            meta = checkpoint['meta']
            self._compare_settings(meta.get('settings'), filename)
            if moves_schedule(self._changed):
                # Another is replayed.
                checkpoint.pop('param_schedulers', None)
            check_run(self, checkpoint)
            self._loop_state = meta.get('loop')
            resumable = ResumableEpochTrainLoop | ResumableIterTrainLoop
            if self._loop_state is not None and isinstance(loop, resumable):
                check_place(self._loop_state, loop.state_dict(), meta['epoch'])
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            state = check_state(checkpoint['state_dict'])
            if isinstance(model, PretrainMethod):
                model.check_resume(state, meta.get('settings') or {})
            load(model, state, TO_RESUME, heads=told_heads(meta))
        except ValueError as error:
            raise ValueError(f'{filename}: {error}') from None
        # The parent would evaluate it.
        meta.pop('config', None)
        unpack_histories(checkpoint['message_hub'])
        return checkpoint

    def _compare_settings(self, then: Any, filename: str) -> None:
        """Note what is not as a checkpoint had it.

        Raises:
            ValueError: For what a resume could not honour.
        """
        if then is None:
            self.logger.warning(
                f'{filename} does not say with which settings it was made: '
                'optimizer, rates and seed are its own, whatever the config '
                'says'
            )
            return
        check_like(then, ByName(''), 'meta.settings')
        self._changed = changes(then, settings_of(self.cfg))
        check_changes(self._changed, then, filename)

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        *args,
        meta: dict | None = None,
        **kwargs,
    ) -> None:
        """Save, see the parent; with settings, place in the data, heads."""
        meta = dict(
            meta or {},
            settings=settings_of(self.cfg),
            heads=heads_of(get_ori_model(self.model)),
        )
        loop = self.train_loop
        if isinstance(loop, ResumableEpochTrainLoop | ResumableIterTrainLoop):
            meta['loop'] = loop.state_dict()
        super().save_checkpoint(out_dir, filename, *args, meta=meta, **kwargs)
