"""mmengine's runner, for checkpoints that may be broken or hostile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmpretrain.utils import get_ori_model

from ...checkpoints import (
    TO_RESUME,
    ByName,
    as_project,
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
    read_safely,
    read_told,
    safe_init_cfg,
    to_weights_only,
    told_heads,
    unpack_histories,
)
from ...datasets.classes import check_learned
from ...models import PretrainMethod
from .resumable_loop import ResumableLoop
from .resumable_loops import ResumableEpochTrainLoop
from .schedule_replay import replay_schedule
from .settings import (
    Changes,
    changes,
    check_changes,
    describe,
    moves_schedule,
    settings_of,
)
from .sharded_runner import ShardedRunner
from .work_dir import config_beside, is_in, note_last

#: What a run notes of the files in its work dir.
_OF_FILES = (
    *('checkpoints', 'last_ckpt', 'saved_at', 'evaluated_at'),
    *('best_score', 'best_checkpoint', 'best_metric', 'best_rule'),
)


class CheckpointRunner(ShardedRunner):
    """A runner that believes no checkpoint more than it has to.

    Files are checked for being whole, no code in them is run, the config in
    them is not evaluated, and what a run goes on from is compared with what
    its config says. Reads the config's ``allow_partial`` and
    ``trust_checkpoint`` (let files run code).

    Args:
        args: As for mmengine's ``Runner``.
        kwargs: Likewise.
    """

    # Of the parent.
    param_schedulers: Any
    _resume: bool

    def __init__(self, *args, **kwargs) -> None:
        self._resuming = self._judging = False
        self._loop_state: dict[str, Any] | None = None
        self._changed: Changes = {}
        super().__init__(*args, **kwargs)
        self.trust = bool(self.cfg.get('trust_checkpoint', False))

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
            with self.speaking_plainly():
                yield
        except BaseException:
            self.call_hook('after_failure')
            raise
        finally:
            self._judging = False

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """Call the hooks; what is saved can be read without running code."""
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            checkpoint = kwargs['checkpoint']
            checkpoint.update(to_weights_only(dict(checkpoint)))

    def _init_model_weights(self) -> None:
        with safe_init_cfg(self.trust):
            super()._init_model_weights()
        # What was loaded to be checked has been overwritten.
        self._has_loaded = False

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
        own = is_in(self.work_dir, filename)
        if not own:
            # Of files that are not in this work dir.
            self._forget(*_OF_FILES)
        loop, done = self.train_loop, self.iter
        try:
            if isinstance(loop, ResumableLoop):
                self._changed |= loop.load_state_dict(self._loop_state)
            self._count_on(done)
        except ValueError as error:
            raise ValueError(f'{filename}: {error}') from None
        if own:
            # Also after going back.
            note_last(filename)
        if self._changed:
            self.logger.warning(
                f'Other settings than {filename} had, from here on: '
                f'{describe(self._changed, most=20)}'
            )

    def _count_on(self, before: int) -> None:
        """Have all that counts iterations count them as they are now.

        Args:
            before: The iteration as the checkpoint has it.

        Raises:
            ValueError: If the schedule cannot be replayed.
        """
        model, loader = get_ori_model(self.model), self.train_loop.dataloader
        # None under a batch sampler, whose batches may be of any size.
        if isinstance(model, PretrainMethod) and loader.batch_size:
            model.recount(before, self.iter, loader.batch_size)
        if self.iter != before:
            # They named an iteration as it was counted then.
            self._forget('saved_at', 'evaluated_at')
        if self.iter != before or moves_schedule(self._changed):
            replay_schedule(self)

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: Any = None) -> None:
        """Scale the rate with the batch, see the parent; not of a resume."""
        if self._resume and (auto_scale_lr or {}).get('enable'):
            self.logger.warning(
                'The rate is not scaled: a resume goes on with the '
                "checkpoint's"
            )
            return
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def _forget(self, *names: str) -> None:
        for name in names:
            self.message_hub.pop_info(name)

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
            # An average of the weights starts from them.
            loaded = get_ori_model(self.model).state_dict()
            self.call_hook(
                'after_load_checkpoint', checkpoint=dict(state_dict=loaded)
            )
        self._has_loaded = True
        return checkpoint

    def _load_weights(self, filename: str) -> dict:
        try:
            told = read_told(filename, self.trust)
            state, heads, form = as_project(told, filename)
            if self._judging:
                check_learned(self.cfg, told.classes)
                account = load_for_test(self.model, state, heads)
            else:
                account = load_pretrained(
                    get_ori_model(self.model),
                    state,
                    self.cfg.get('allow_partial', False),
                    heads,
                )
        except ValueError as error:
            where = '' if str(filename) in str(error) else f'{filename}: '
            raise ValueError(f'{where}{error}{self._own(filename)}') from None
        self.logger.info(f'{filename} ({form} names): {account}')
        if account.table and self._own(filename):
            was, now = account.table
            self.logger.warning(
                f'Trained on pictures of {was} patches, judged on {now}'
                f'{self._own(filename)}'
            )
        return dict(state_dict=state)

    def _own(self, filename: str) -> str:
        """Names the config of the run that is judged, if it is another."""
        if not self._judging:
            return ''
        return config_beside(filename, self.cfg.filename)

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
            self._loop_state = meta.get('loop')
            if moves_schedule(self._changed) or self._is_recut():
                # Another is replayed.
                checkpoint.pop('param_schedulers', None)
            check_run(self, checkpoint)
            place = self._loop_state
            if place is not None and isinstance(loop, ResumableLoop):
                check_place(place, loop.state_dict(), meta['epoch'])
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

    def _is_recut(self) -> bool:
        """Whether an epoch has another length than it had."""
        state, loop = self._loop_state, self.train_loop
        if not isinstance(loop, ResumableEpochTrainLoop):
            return False
        was = isinstance(state, dict) and state.get('iters_per_epoch')
        return bool(was) and was != len(loop.dataloader)

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
        if isinstance(loop, ResumableLoop):
            meta['loop'] = loop.state_dict()
        super().save_checkpoint(out_dir, filename, *args, meta=meta, **kwargs)
