"""What training loops share that resume exactly and anywhere."""

import random
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.dist import get_rank
from mmpretrain.utils import get_ori_model

from ...datasets import ResumableSampler
from ...models import PretrainMethod
from .settings import Changes


class ResumableLoop:
    """What loops share that resume exactly, beside a parent of mmengine's.

    They seed each step, and know their place in the data. What is random in
    a step (drop path, mixup, noise that the data do not bring) is a function
    of (seed, iteration, rank).
    """

    #: Whether it reads on after an epoch, so that its sampler is to.
    endless: ClassVar[bool]
    runner: Any
    dataloader: Any
    sampler: ResumableSampler
    _iter: int
    _epoch: int

    def _take_sampler(self) -> None:
        """Refuse data that cannot start in the middle, or end too early.

        Raises:
            ValueError: Naming what can.
        """
        sampler = self.dataloader.sampler
        wanted = 'SeededInfiniteSampler' if self.endless else 'SeededSampler'
        name, own = type(self).__name__, type(sampler).__name__
        if not isinstance(sampler, ResumableSampler) or (
            self.dataloader.batch_size is None
        ):
            raise ValueError(
                f'{name} resumes exactly, and a {own} or a batch sampler '
                'cannot start in the middle: set train_dataloader.sampler.'
                f"type to '{wanted}' and its dataset to dict(type='Seeded', "
                'dataset=...)'
            )
        if sampler.endless not in (None, self.endless):
            does = 'goes on' if sampler.endless else 'ends'
            raise ValueError(
                f'{own} {does} after an epoch, and {name} counts '
                f'{"iterations" if self.endless else "epochs"}: set '
                f"train_dataloader.sampler.type='{wanted}' (a class of your "
                'own says by its `endless` which it is)'
            )
        self.sampler = sampler

    def _check_method(self) -> None:
        """Refuse a batch that a method cannot learn from.

        Raises:
            ValueError: Naming what to set.
        """
        model = get_ori_model(self.runner.model)
        if not isinstance(model, PretrainMethod):
            return
        batch_size = self.dataloader.batch_size
        model.check_batch(batch_size)
        if not (self.endless or self.dataloader.drop_last):
            # None where gradients are accumulated: the sampler is rounded.
            last = len(self.sampler) % batch_size  # type: ignore[arg-type]
            if last:
                model.check_last_batch(last)
        if self.accumulation > 1 and not model.may_accumulate:
            raise ValueError(
                f'{type(model).__name__} changes more than gradients in each '
                'forward pass, so a step is one: set optim_wrapper.'
                'accumulative_counts=1, and the batch to what it is to have'
            )

    @property
    def accumulation(self) -> int:
        """Batches whose gradients make up a step."""
        return self.runner.cfg.optim_wrapper.get('accumulative_counts', 1)

    def run_iter(self, *args) -> None:
        """Train on one batch; arguments as in mmengine's loops."""
        entropy = (self.runner.seed, self._iter, get_rank())
        words = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
        torch.manual_seed(int(words[0]))
        np.random.seed(int(words[1]) % 2**32)
        random.seed(int(words[1]))
        # Before the hooks, which may save it.
        self.sampler.advance(self.dataloader.batch_size)
        super().run_iter(*args)  # type: ignore[misc]

    @property
    def due(self) -> bool:
        """Whether the validation that follows this place is to come."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The place in the data, for the checkpoint."""
        return dict(
            loop=type(self).__name__,
            iters_per_epoch=len(self.dataloader),
            batch_size=self.dataloader.batch_size,
            accumulation=self.accumulation,
            sampler=self.sampler.state_dict(),
        )

    def load_state_dict(self, state: dict[str, Any] | None) -> Changes:
        """Go on from a checkpoint whose epoch and iteration are set.

        Args:
            state: The place in its data; None if it does not tell.

        Returns:
            What of the data is not as it was.

        Raises:
            ValueError: If the data cannot be gone on with.
        """
        raise NotImplementedError

    def _check_kind(self, state: dict[str, Any]) -> None:
        if state['loop'] != type(self).__name__:
            raise ValueError(
                f'it is of a {state["loop"]}, here train_cfg.type is '
                f'{type(self).__name__}'
            )

    def _changes(self, place: dict[str, Any]) -> Changes:
        return {
            what: (str(was), str(now))
            for what, was, now in self.sampler.differences(place)
        }
