"""The training loop of pre-training."""

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.runner import EpochBasedTrainLoop
from mmpretrain.registry import LOOPS
from mmpretrain.utils import get_ori_model
from torch.utils.data import DataLoader


@LOOPS.register_module()
class PretrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop, resuming exactly and anywhere.

    An epoch that was begun goes on after the pictures that it has seen, and
    what is random in a step (drop path, noise that the data do not bring)
    is a function of (seed, iteration, rank). Data that cannot make a step
    are refused.

    Args:
        runner: The runner.
        dataloader: Training pictures.
        max_epochs: Epochs to train.
        val_begin: First epoch to validate after.
        val_interval: Epochs between validations; the last is always one.

    Raises:
        ValueError: If the pictures do not fill one batch, or a batch is too
            small for the alignment head's BatchNorm.
    """

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
    ) -> None:
        super().__init__(
            runner, dataloader, max_epochs, val_begin, val_interval
        )
        batch_size = self.dataloader.batch_size
        if not len(self.dataloader):
            sampler = self.dataloader.sampler
            pictures = getattr(sampler, 'num_samples', len(sampler))
            needed = max(batch_size, getattr(sampler, 'multiple_of', 1))
            raise ValueError(
                f'{pictures} pictures per process do not fill one step of '
                f'{needed}: set train_dataloader.batch_size, times '
                f'optim_wrapper.accumulative_counts, to {pictures} or less'
            )
        align_head = getattr(get_ori_model(runner.model), 'align_head', None)
        if align_head is not None:
            align_head.check_batch(batch_size)

    def run_epoch(self) -> None:
        """Train on what is left of the epoch."""
        done = self._iter - self._epoch * len(self.dataloader)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        sampler = self.dataloader.sampler
        if hasattr(sampler, 'start_at'):
            sampler.start_at(done * self.dataloader.batch_size)
        for idx, batch in enumerate(self.dataloader, start=done):
            self.run_iter(idx, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch) -> None:
        """Train on one batch.

        Args:
            idx: Its place in the epoch.
            data_batch: The batch.
        """
        entropy = (self.runner.seed, self._iter, get_rank())
        words = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
        torch.manual_seed(int(words[0]))
        np.random.seed(int(words[1]) % 2**32)
        super().run_iter(idx, data_batch)
