"""Runs that go on from checkpoints, which may be broken or hostile."""

from typing import Any

from mmpretrain.utils import get_ori_model

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
    local_file,
    read_safely,
    to_weights_only,
    told_heads,
    unpack_histories,
)
from ...models import PretrainMethod
from .resumable_loop import ResumableLoop
from .resumable_loops import ResumableEpochTrainLoop
from .schedule_replay import recount_averages, replay_schedule
from .settings import (
    Changes,
    changes,
    check_changes,
    describe,
    moves_schedule,
    settings_of,
)
from .weights_runner import WeightsRunner
from .work_dir import is_in, note_last

#: What a run notes of the files in its work dir.
_OF_FILES = (
    *('checkpoints', 'last_ckpt', 'saved_at', 'evaluated_at'),
    *('best_score', 'best_checkpoint', 'best_metric', 'best_rule'),
)


class CheckpointRunner(WeightsRunner):
    """A runner that goes on from a checkpoint, and believes it no more.

    What it goes on from is compared with what its config says; the config in
    it is not evaluated.

    Args:
        args: As for mmengine's ``Runner``.
        kwargs: Likewise.
    """

    # Of the parent.
    param_schedulers: Any
    _resume: bool

    def __init__(self, *args, **kwargs) -> None:
        self._resuming = False
        self._loop_state: dict[str, Any] | None = None
        self._changed: Changes = {}
        super().__init__(*args, **kwargs)

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """Call the hooks; what is saved can be read without running code."""
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            checkpoint = kwargs['checkpoint']
            checkpoint.update(to_weights_only(dict(checkpoint)))

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
            recount_averages(self, self.iter / before)
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
        """Load weights, see the parent; to go on, of a run like this one.

        Args:
            filename: The file, or its place over https.
            map_location: Where the tensors of a run that goes on are put.
            args: Of the parent, not used.
            kwargs: Likewise.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it is broken, hostile, not finite or of another
                model.
        """
        if not self._resuming:
            return super().load_checkpoint(filename, map_location)
        checkpoint = self._load_run(local_file(filename), map_location)
        self._has_loaded = True
        return checkpoint

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
