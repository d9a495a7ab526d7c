"""DenseCL of mmpretrain, as a method of this project."""

from mmengine.dist import get_world_size
from mmpretrain.models.selfsup import DenseCL
from mmpretrain.registry import MODELS

from .contrastive import ContrastiveMethod


@MODELS.register_module()
class DenseCLMethod(ContrastiveMethod, DenseCL):
    """DenseCL (arXiv 2011.09157), mmpretrain's, see the parents.

    The key encoder and the queues move in every forward pass, so gradients
    are not accumulated.

    Raises:
        ValueError: If the queue is no multiple of a step's pictures.
    """

    may_be_new = ('neck.', 'head.', 'encoder_k.', 'queue')
    starts_anew = ('encoder_k.', 'queue')
    may_accumulate = False

    def num_keys(self, pictures: int) -> int:
        """The queue, and the other view."""
        return self.queue_len + 1

    def check_batch(self, batch_size: int) -> None:
        """Refuse too small a batch, and one that the queue is no multiple of.

        Raises:
            ValueError: Naming what to set.
        """
        super().check_batch(batch_size)
        pictures = batch_size * get_world_size()
        if self.queue_len % pictures:
            nearest = max(1, round(self.queue_len / pictures)) * pictures
            raise ValueError(
                f'model.queue_len={self.queue_len} is no multiple of the '
                f'{pictures} pictures of a step: set it to {nearest}, or '
                'train_dataloader.batch_size so that they divide it'
            )

    def check_last_batch(self, batch_size: int) -> None:
        """Refuse every smaller one, after which no other fits the queue's end.

        Raises:
            ValueError: Naming what to set.
        """
        raise ValueError(
            f'an epoch ends with a batch of {batch_size} per process, and '
            'the queue moves by whole steps: set train_dataloader.'
            'drop_last=True'
        )

    def recount(self, before: int, now: int, batch_size: int) -> None:
        """Go on with another batch, see the parent.

        The queues turn, keys and place alike, by what a step's pictures do
        not divide: a step's keys then end where the queue does, and no key
        is lost before its time.
        """
        super().recount(before, now, batch_size)
        pictures = batch_size * get_world_size()
        for queue, place in (
            (self.queue, self.queue_ptr),
            (self.queue2, self.queue2_ptr),
        ):
            excess = int(place) % pictures
            if excess:
                queue.copy_(queue.roll(-excess, 1))
                place -= excess
