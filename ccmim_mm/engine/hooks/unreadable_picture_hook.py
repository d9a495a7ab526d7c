"""Counting the pictures that could not be read."""

from pathlib import Path

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop

from ...evaluation import failures_of
from ...files import printable
from ..enduring import append
from .log_interval import log_interval

#: In the message hub: replacements and pictures of every rank.
COUNTS = 'unreadable_pictures'


@HOOKS.register_module()
class UnreadablePictureHook(Hook):
    """Count the pictures that were replaced, list them, stop at too many.

    A :class:`ccmim_mm.datasets.Seeded` dataset replaces what it cannot read
    and sends the paths along. Each file is warned about once and listed with
    its reason in ``bad_images.txt`` in the work dir (of several ranks, each
    in ``bad_images_rankN.txt``); the sum over all ranks stands in the log as
    ``unreadable`` (replacements so far), up to the epoch before, or, where
    iterations are counted, in every line.

    Args:
        max_share: Share of the pictures seen that may fail, in [0, 1].
        min_count: Failures that are never too many; folders are small.

    Raises:
        OSError: If more than that fail.
    """

    def __init__(self, max_share: float = 0.01, min_count: int = 20) -> None:
        self.max_share = max_share
        self.min_count = min_count
        self.count = 0
        self.pictures = 0
        self.seen: set[str] = set()
        #: Iterations between sums over all ranks; 0 makes none.
        self.interval = 0

    def before_train(self, runner) -> None:
        """Go on counting where a run that is resumed had come to."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            self.interval = log_interval(runner)
        counts = runner.message_hub.runtime_info.get(COUNTS, [])
        if len(counts) == get_world_size():
            self.count, self.pictures = counts[get_rank()]
        path = self._path(runner)
        if path.is_file():
            self.seen.update(path.read_text('utf-8').splitlines())

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep the counts; of other ranks those of the last sum."""
        hub = runner.message_hub
        counts = list(hub.runtime_info.get(COUNTS) or [])
        counts += [[0, 0]] * (get_world_size() - len(counts))
        counts[get_rank()] = [self.count, self.pictures]
        hub.update_info(COUNTS, counts)
        checkpoint['message_hub'] = hub.state_dict()

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Take the failures out of the batch."""
        samples = data_batch.get('data_samples') or ()
        self.pictures += len(samples)
        failures = [f for s in samples for f in s.get('unreadable', ())]
        if failures:
            self.count += len(failures)
            self._list(runner, failures)
        if self.count > max(self.min_count, self.max_share * self.pictures):
            raise OSError(
                f'{self.count} of {self.pictures} pictures could not be read '
                f'(rank {get_rank()}), more than {self.max_share:.1%}: see '
                f'{self._path(runner)}; is the disk there? '
                'UnreadablePictureHook.max_share allows more'
            )
        if self.every_n_inner_iters(batch_idx, self.interval):
            self._sum(runner)

    def after_train_epoch(self, runner) -> None:
        """Log the count over all ranks."""
        total = self._sum(runner)
        if total:
            runner.logger.warning(
                f'{total} unreadable pictures replaced so far'
            )

    def after_val_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Name those of an evaluation, which leaves out what stands in."""
        self._name(runner, data_batch)

    def after_test_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Likewise."""
        self._name(runner, data_batch)

    def _sum(self, runner) -> int:
        """Hand the count over all ranks to the log."""
        counts = all_gather_object([self.count, self.pictures])
        total = sum(count for count, _ in counts)
        runner.message_hub.update_info(COUNTS, counts)
        runner.message_hub.update_scalar('train/unreadable', total)
        return total

    def _name(self, runner, data_batch) -> None:
        samples = (data_batch or {}).get('data_samples') or ()
        if failures := failures_of(samples):
            self._list(runner, failures)

    def _list(self, runner, failures: list[str]) -> None:
        """Warn about each file once, and list it."""
        lines = dict.fromkeys(map(printable, failures))
        new = [line for line in lines if line not in self.seen]
        self.seen.update(new)
        for failure in new:
            runner.logger.warning(f'Unreadable, replaced: {failure}')
        append(self._path(runner), new)

    @staticmethod
    def _path(runner) -> Path:
        rank = f'_rank{get_rank()}' if get_world_size() > 1 else ''
        return Path(runner.work_dir, f'bad_images{rank}.txt')
