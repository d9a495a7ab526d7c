"""Training loops that resume exactly and anywhere, of any task."""

from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from .loader_workers import batches_of
from .resumable_loop import ResumableLoop
from .settings import Changes


@LOOPS.register_module()
class ResumableEpochTrainLoop(ResumableLoop, EpochBasedTrainLoop):
    """mmengine's epoch loop, resuming exactly within an epoch too.

    With ``drop_last``, and wherever gradients are accumulated, an epoch is a
    whole number of steps, so that none are left over.

    Args:
        runner: The runner.
        dataloader: Training samples, under a :class:`ResumableSampler`.
        max_epochs: Epochs to train.
        val_begin: First epoch to validate after.
        val_interval: Epochs between validations; the last is always one.
        dynamic_intervals: As in the parent.

    Raises:
        ValueError: If the samples do not fill one step, the sampler cannot
            start in the middle or never ends, or the method refuses the
            batch or its accumulation.
    """

    endless = False

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(
            runner,
            dataloader,
            max_epochs,
            val_begin,
            val_interval,
            dynamic_intervals,
        )
        if max_epochs < 1:
            raise ValueError(f'train_cfg.max_epochs={max_epochs}: 1 or more')
        self._take_sampler()
        batch_size = self.dataloader.batch_size
        accumulation = self.accumulation
        step = batch_size * accumulation
        pictures = len(self.sampler)  # type: ignore[arg-type]
        if self.dataloader.drop_last or accumulation > 1:
            self.sampler.round_to(step)
            self._max_iters = self._max_epochs * len(self.dataloader)
        if not len(self.dataloader):
            raise ValueError(
                f'{pictures} pictures per process do not fill one step of '
                f'{step}: set train_dataloader.batch_size, times '
                f'optim_wrapper.accumulative_counts, to {pictures} or less, '
                'or add pictures'
            )
        self._check_method()

    @property
    def due(self) -> bool:
        """Whether this is an epoch's end that is validated."""
        epoch = self.sampler.epoch  # type: ignore[attr-defined]
        if epoch == self._epoch and self.sampler.consumed:
            return False
        # Of a resume it is still the first.
        self._decide_current_val_interval()
        last = self._epoch == self._max_epochs
        return self._epoch >= self.val_begin and (
            last or self._epoch % self.val_interval == 0
        )

    def run_epoch(self) -> None:
        """Train on what is left of the epoch."""
        self.sampler.set_epoch(self._epoch)  # type: ignore[attr-defined]
        done = self.sampler.consumed // self.dataloader.batch_size
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for idx, batch in enumerate(batches_of(self.dataloader), done):
            self.run_iter(idx, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def load_state_dict(self, state: dict[str, Any] | None) -> Changes:
        """Go on from a checkpoint whose epoch and iteration are set.

        Returns:
            What of the data is not as it was.

        Raises:
            ValueError: If it lies within an epoch that was cut up in
                another way.
        """
        now = len(self.dataloader)
        if state is None:
            if self._iter != self._epoch * now:
                raise ValueError(
                    'it does not say where in the data it lies: resume from '
                    "a checkpoint of an epoch's end"
                )
            return {}
        self._check_kind(state)
        place, was = state['sampler'], state['iters_per_epoch']
        within = place['consumed'] < place['length']
        for what, before, here in (
            ('iterations an epoch', was, now),
            ('batch size', state['batch_size'], self.dataloader.batch_size),
            (
                'batches a step',
                state.get('accumulation', self.accumulation),
                self.accumulation,
            ),
        ):
            if within and before != here:
                raise ValueError(
                    f'it lies within an epoch, of {before} {what}, here '
                    f'{here}: resume with the same data, batch size and '
                    "number of processes, or from an epoch's end"
                )
        changed = self._changes(place)
        self.sampler.load_state_dict(place)
        if was != now:
            # At an epoch's end the count of epochs is what holds.
            self._iter = (place['epoch'] + 1) * now
        return changed


@LOOPS.register_module()
class ResumableIterTrainLoop(ResumableLoop, IterBasedTrainLoop):
    """mmengine's iteration loop, resuming exactly.

    Args:
        runner: The runner.
        dataloader: Training samples, under a
            :class:`SeededInfiniteSampler`.
        max_iters: Iterations to train.
        val_begin: First iteration to validate after.
        val_interval: Iterations between validations; the last is always one.
        dynamic_intervals: As in the parent.

    Raises:
        ValueError: If the sampler cannot start in the middle or ends with
            an epoch, or the method refuses the batch or its accumulation.
    """

    endless = True

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(
            runner,
            dataloader,
            max_iters,
            val_begin,
            val_interval,
            dynamic_intervals,
        )
        if max_iters < 1:
            raise ValueError(f'train_cfg.max_iters={max_iters}: 1 or more')
        self._take_sampler()
        self._check_method()
        self.dataloader_iterator = _Stream(self.dataloader)

    def load_state_dict(self, state: dict[str, Any] | None) -> Changes:
        """Go on from a checkpoint whose iteration is set.

        Returns:
            What of the data is not as it was.

        Raises:
            ValueError: If the data are others.
        """
        self.dataloader_iterator.passed = self._iter
        if state is None:
            self.sampler.consumed = self._iter * self.dataloader.batch_size
            return {}
        self._check_kind(state)
        changed = self._changes(state['sampler'])
        self.sampler.load_state_dict(state['sampler'])
        return changed

    @property
    def due(self) -> bool:
        """Whether this is an iteration that is validated."""
        # Of a resume it is still the first.
        self._decide_current_val_interval()
        last = self._iter == self._max_iters
        return self._iter >= self.val_begin and (
            last or self._iter % self.val_interval == 0
        )


class _Stream:
    """Batches of an endless sampler, from where it stands.

    A resumed run asks it to pass over what was trained on: onedl's mmengine
    by ``skip_iter``, the original by reading. The sampler has its place from
    the checkpoint already, so neither moves it.
    """

    def __init__(self, dataloader: DataLoader) -> None:
        self.dataloader = dataloader
        self.batches: Any = None
        self.passed = 0

    def skip_iter(self, count: int) -> None:
        """Pass over batches that the sampler has behind it."""
        self.passed -= count

    def __next__(self) -> Any:
        if self.passed > 0:
            self.passed -= 1
            return None
        if self.batches is None:
            self.batches = batches_of(self.dataloader)
        try:
            return next(self.batches)
        except StopIteration:
            # Of a sampler that does not say whether it is endless.
            raise ValueError(
                f'{type(self.dataloader.sampler).__name__} ends before the '
                'training does: have it go on, or set '
                "train_dataloader.sampler.type='SeededInfiniteSampler'"
            ) from None
