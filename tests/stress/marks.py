"""Says when a run is where it is to be signalled, and lingers there."""

import os
import time
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

#: In seconds, for who signals.
PAUSE = 0.5


@HOOKS.register_module()
class MarkHook(Hook):
    """Leave the file ``here`` in the work dir at ``STRESS_MOMENT``."""

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.moment = os.environ.get('STRESS_MOMENT')

    def before_run(self, runner) -> None:
        self._at(runner, 'data')

    def before_batch_judged(self, runner) -> None:
        if not runner.iter:
            self._at(runner, 'first evaluation')
        elif runner.iter == runner.max_iters:
            self._at(runner, 'last evaluation')

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == 10:
            self._at(runner, 'epoch')

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        self._at(runner, 'saving')

    def _at(self, runner, moment: str) -> None:
        if moment == self.moment:
            self.moment = None
            Path(runner.work_dir, 'here').touch()
            time.sleep(PAUSE)
