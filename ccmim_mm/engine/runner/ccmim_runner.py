"""mmengine's runner, resuming exactly and reading safely."""

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..files import remove_parts
from ..plain_state import unpack_histories
from ..safe_reading import check_archive, read_safely_everywhere
from .pretrain_loop import PretrainLoop


@RUNNERS.register_module()
class CCMIMRunner(Runner):
    """A runner that lives on checkpoints which may be broken or hostile.

    Differs from its parent in what it reads: files are checked for being
    whole, no code in them is run, the config in them is not evaluated, and
    ``--resume`` goes on from the newest checkpoint that is good. The
    config's ``trust_checkpoint`` lets them run code.

    Args:
        args: As for mmengine's ``Runner``.
        kwargs: Likewise.
    """

    _resume: bool
    _load_from: str | None

    def __init__(self, *args, **kwargs) -> None:
        self._resuming = False
        super().__init__(*args, **kwargs)
        read_safely_everywhere(self.cfg.get('trust_checkpoint', False))
        if is_main_process():
            remove_parts(self.work_dir)

    def load_or_resume(self) -> None:
        """Load or resume; without a path from the newest good checkpoint.

        Raises:
            FileNotFoundError: If the checkpoint is missing.
            ValueError: If it is broken, hostile or of another model.
        """
        if self._resume and self._load_from is None and not self._has_loaded:
            newest: list[str | None] = [None]
            if is_main_process():
                newest[0] = newest_whole(self.work_dir, self.logger)
            broadcast_object_list(newest)
            if newest[0] is None:
                self.logger.info('No checkpoint to resume: starting anew')
                self._resume = False
            self._load_from = newest[0]
        super().load_or_resume()

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

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = 'cpu',
        strict: bool = False,
        *args,
        **kwargs,
    ) -> dict:
        """Load weights, see the parent; all of them if a run resumes.

        Raises:
            ValueError: If weights are missing, of another shape or not
                finite.
        """
        try:
            checkpoint = super().load_checkpoint(
                filename, map_location, strict or self._resuming,
                *args, **kwargs,
            )  # fmt: skip
        except RuntimeError as error:
            lines = [line for line in str(error).split('\n') if line.strip()]
            raise ValueError(
                f'{filename} is of another model: {" ".join(lines[1:3])}'
            ) from None
        for name, value in self.model.named_parameters():
            if not torch.isfinite(value).all():
                raise ValueError(f'{filename}: {name} is not finite')
        meta = checkpoint.setdefault('meta', {})
        # The parent would evaluate it.
        meta.pop('config', None)
        if self._resuming:
            self._check_epoch(filename, meta)
            unpack_histories(checkpoint['message_hub'])
        return checkpoint

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        *args,
        meta: dict | None = None,
        **kwargs,
    ) -> None:
        """Save, see the parent; with what a resume wants to compare."""
        meta = dict(meta or {}, iters_per_epoch=len(self.train_dataloader))
        super().save_checkpoint(out_dir, filename, *args, meta=meta, **kwargs)

    def _check_epoch(self, filename: str, meta: dict) -> None:
        """Refuse to go on within an epoch that was cut up differently."""
        if not isinstance(self.train_loop, PretrainLoop):
            return
        was = meta.get('iters_per_epoch')
        now = len(self.train_dataloader)
        within = was and meta['iter'] % was
        if was not in (None, now) and within:
            raise ValueError(
                f'{filename} lies within an epoch of {was} iterations, here '
                f'an epoch has {now}: resume with the same data, batch size '
                "and number of processes, or from an epoch's end"
            )
        if was not in (None, now):
            # At an epoch's end the count of epochs is what holds.
            meta['iter'] = meta['epoch'] * now


def newest_whole(work_dir: str | Path, logger: MMLogger) -> str | None:
    """The newest checkpoint of a work dir that is whole.

    Args:
        work_dir: The folder.
        logger: Where to name those that are passed over.

    Returns:
        Its path; None if there is none.
    """
    last = Path(work_dir, 'last_checkpoint')
    found = {
        path: path.stat().st_mtime_ns
        for kind in ('epoch_*.pth', 'iter_*.pth')
        for path in Path(work_dir).glob(kind)
    }
    paths = sorted(found, key=found.__getitem__, reverse=True)
    if last.is_file():
        named = Path(last.read_text().strip())
        # By its name: the work dir may have been moved.
        paths.sort(key=lambda path: path.name != named.name)
    for path in paths:
        try:
            check_archive(path)
        except (ValueError, OSError) as error:
            logger.warning(f'Passed over: {error}')
        else:
            return str(path)
    return None
