"""How fast the run is, and what it waits for."""

import resource
import sys

from mmengine.device import is_cuda_available
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

#: Of the system's figure: KiB, on a Mac bytes.
PEAKS_PER_MIB = 2**20 if sys.platform == 'darwin' else 2**10


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Log the rate, the share of time spent waiting for data, and memory.

    Adds ``imgs_per_s`` (pictures per second over all ranks), ``data_wait``
    (share of the iteration, [0, 1]) and, without a GPU, ``memory_mb``: the
    process's peak resident memory in MiB. On a GPU mmengine's logger prints
    the allocator's peak itself.
    """

    # After IterTimerHook (NORMAL) has taken the times, before LoggerHook
    # (BELOW_NORMAL): between the two there is no name.
    priority = 55

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Derive the rates from the iteration's times."""
        hub = runner.message_hub
        seconds = hub.get_scalar('train/time').current()
        waited = hub.get_scalar('train/data_time').current()
        samples = data_batch.get('data_samples') or data_batch['inputs']
        pictures = len(samples) * get_world_size()
        hub.update_scalar('train/imgs_per_s', pictures / seconds)
        hub.update_scalar('train/data_wait', waited / seconds)
        if not is_cuda_available():
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            hub.update_scalar('train/memory_mb', peak / PEAKS_PER_MIB)
