"""Checkpoints that are whole or absent, and pruned only when replaced."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmengine.registry import HOOKS

from ..files import write_whole
from ..plain_state import to_plain


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook for runs that must survive.

    A checkpoint appears under its name when it is complete; the ones that it
    replaces are deleted after that, not before. If saving fails (a full
    disk), the previous one stays, training goes on, and only several
    failures in a row stop it. What is saved can be read without running
    code.

    Args:
        max_failures: Failed attempts in a row that stop the run, at least 1.
        backend_args: As in the parent; None writes whole files.
        kwargs: See mmengine's ``CheckpointHook``.

    Raises:
        OSError: After so many failures.
    """

    file_backend: Any

    def __init__(
        self, *args, max_failures: int = 3, backend_args=None, **kwargs
    ) -> None:
        backend_args = backend_args or dict(backend='whole')
        super().__init__(*args, backend_args=backend_args, **kwargs)
        self.max_failures = max_failures
        self.failures = 0

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave tensors, numbers, strings and containers alone."""
        checkpoint.update(to_plain(dict(checkpoint)))

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict):
        with self._surviving(runner):
            super()._save_checkpoint_with_step(runner, step, meta)
            if is_main_process():
                # The parent's may have been cut off.
                path = Path(runner.work_dir, 'last_checkpoint')
                write_whole(str(self.last_ckpt).encode(), path)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        with self._surviving(runner):
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _surviving(self, runner) -> Iterator[None]:
        """Delete what is replaced only when what replaces it is there."""
        backend = self.file_backend
        deferred = _Deferred(backend)
        before = {
            name: copy(getattr(self, name))
            for name in ('last_ckpt', 'keep_ckpt_ids', 'best_ckpt_path')
            if hasattr(self, name)
        }
        hub = runner.message_hub
        best = _best(hub)
        self.file_backend = deferred
        try:
            yield
        except OSError as error:
            self.failures += 1
            for name, value in before.items():
                setattr(self, name, value)
            hub.update_info('last_ckpt', self.last_ckpt)
            # A score whose weights were not saved is no score to beat.
            for name in _best(hub):
                if name in best:
                    hub.update_info(name, best[name])
                else:
                    hub.pop_info(name)
            if 'keep_ckpt_ids' in before:
                hub.update_info('keep_ckpt_ids', list(before['keep_ckpt_ids']))
            if self.failures >= self.max_failures:
                raise OSError(
                    f'no checkpoint could be saved {self.failures} times in '
                    f'a row: {error}; make room in {self.out_dir}, then '
                    '--resume'
                ) from error
            runner.logger.error(
                f'Saving failed ({error}); {self.last_ckpt} stays, and '
                f'training goes on ({self.failures} of {self.max_failures})'
            )
        else:
            self.failures = 0
            deferred.remove_now()
        finally:
            self.file_backend = backend


def _best(hub: MessageHub) -> dict[str, Any]:
    """What the hub remembers of the best checkpoint."""
    info = hub.runtime_info.items()
    return {name: value for name, value in info if name.startswith('best_')}


class _Deferred:
    """A file backend that removes later."""

    def __init__(self, backend) -> None:
        self.backend = backend
        self.removed: list[str] = []

    def __getattr__(self, name: str):
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        """Remember to."""
        self.removed.append(path)

    def remove_now(self) -> None:
        """Remove them."""
        for path in self.removed:
            if self.backend.isfile(path):
                self.backend.remove(path)
