"""mmengine's runner, for weights that may be broken or hostile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmpretrain.utils import get_ori_model

from ...checkpoints import (
    as_project,
    local_file,
    read_told,
    safe_init_cfg,
)
from ...datasets.classes import check_learned
from ...models.loading import load_for_test, load_pretrained
from .sharded_runner import ShardedRunner
from .work_dir import config_beside


class WeightsRunner(ShardedRunner):
    """A runner that starts from weights, or judges them, tensor by tensor.

    Files are checked for being whole, and no code in them is run. Reads the
    config's ``allow_partial`` and ``trust_checkpoint`` (let files run code).

    Args:
        args: As for mmengine's ``Runner``.
        kwargs: Likewise.
    """

    def __init__(self, *args, **kwargs) -> None:
        self._judging = False
        super().__init__(*args, **kwargs)
        self.trust = bool(self.cfg.get('trust_checkpoint', False))

    def val(self) -> dict:
        """Judge on the validation data, see the parent."""
        with self._judged():
            return super().val()

    def test(self) -> dict:
        """Judge on the test data, see the parent."""
        with self._judged():
            return super().test()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Load to be judged, meanwhile."""
        self._judging = True
        try:
            with self.speaking_plainly():
                yield
        except BaseException:
            self.call_hook('after_failure')
            raise
        finally:
            self._judging = False

    def _init_model_weights(self) -> None:
        with safe_init_cfg(self.trust):
            super()._init_model_weights()
        # What was loaded to be checked has been overwritten.
        self._has_loaded = False

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', *args, **kwargs
    ) -> dict:
        """Load weights, to start from or to be judged.

        Args:
            filename: The file, or its place over https; of any known format.
            map_location: Of the parent, not used: a tensor goes where its
                parameter is.
            args: Of the parent, not used: every tensor is accounted for.
            kwargs: Likewise.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it is broken, hostile, not finite or of another
                model.
        """
        checkpoint = self._load_weights(local_file(filename))
        # An average of the weights starts from them.
        loaded = get_ori_model(self.model).state_dict()
        self.call_hook(
            'after_load_checkpoint', checkpoint=dict(state_dict=loaded)
        )
        self._has_loaded = True
        return checkpoint

    def _load_weights(self, filename: str) -> dict:
        try:
            told = read_told(filename, self.trust)
            state, heads, form = as_project(told, filename)
            if self._judging:
                check_learned(self.cfg, told.classes)
                account = load_for_test(self.model, state, heads)
            else:
                account = load_pretrained(
                    get_ori_model(self.model),
                    state,
                    self.cfg.get('allow_partial', False),
                    heads,
                )
        except ValueError as error:
            where = '' if str(filename) in str(error) else f'{filename}: '
            raise ValueError(f'{where}{error}{self._own(filename)}') from None
        self.logger.info(f'{filename} ({form} names): {account}')
        if account.table and self._own(filename):
            was, now = account.table
            self.logger.warning(
                f'Trained on pictures of {was} patches, judged on {now}'
                f'{self._own(filename)}'
            )
        return dict(state_dict=state)

    def _own(self, filename: str) -> str:
        """Names the config of the run that is judged, if it is another."""
        if not self._judging:
            return ''
        return config_beside(filename, self.cfg.filename)
