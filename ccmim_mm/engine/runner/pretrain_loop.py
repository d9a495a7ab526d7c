"""The training loop of pre-training."""

from mmengine.runner import EpochBasedTrainLoop
from mmpretrain.registry import LOOPS
from mmpretrain.utils import get_ori_model
from torch.utils.data import DataLoader


@LOOPS.register_module()
class PretrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop, refusing data that cannot make a step.

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
            pictures = len(self.dataloader.sampler)
            raise ValueError(
                f'{pictures} pictures per process do not fill one batch of '
                f'{batch_size}: set train_dataloader.batch_size to '
                f'{pictures} or less'
            )
        align_head = getattr(get_ori_model(runner.model), 'align_head', None)
        if align_head is not None:
            align_head.check_batch(batch_size)
