"""mmengine's runner with a console for people."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from ..console import FILE_ONLY, is_verbose, overhearing, quieten, report
from ..enduring import make_enduring


class ConsoleRunner(Runner):
    """A runner that prints what matters, and all of it into its log.

    The environment variable ``CCMIM_VERBOSE=1`` gives mmengine's console.
    Takes the parent's arguments.
    """

    #: None until there is one.
    logger: Any = None

    def __init__(self, *args, **kwargs) -> None:
        #: What was said before there was a logger.
        self._early: list[str] = []
        super().__init__(*args, **kwargs)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """Build the logger, see the parent; its file has all, as there."""
        logger = super().build_logger(*args, **kwargs)
        if not is_verbose():
            quieten(logger)
        for line in self._early:
            logger.info(line, extra=FILE_ONLY)
        return logger

    def build_visualizer(
        self, visualizer: Visualizer | dict | None = None
    ) -> Visualizer:
        """Build the visualizer, see the parent; a full disk stops none."""
        built = super().build_visualizer(visualizer)
        make_enduring(built)
        return built

    def register_hooks(
        self,
        default_hooks: dict[str, Hook | dict] | None = None,
        custom_hooks: list[Hook | dict] | None = None,
    ) -> None:
        """Register the hooks, see the parent, and the one that prints."""
        hooks: list[Any] = [*(custom_hooks or [])]
        if not is_verbose():
            hooks.insert(0, dict(type='ProgressHook'))
        super().register_hooks(default_hooks, hooks)

    @contextmanager
    def speaking_plainly(self) -> Iterator[None]:
        """Have what libraries print in the log alone, and errors in a line.

        An error is that for whoever catches none; others get it as it is.
        """
        quiet = nullcontext() if is_verbose() else overhearing(self._note)
        try:
            with quiet:
                yield
        except Exception as error:
            report(error, self.logger)
            raise

    def _note(self, line: str) -> None:
        if self.logger is None:
            self._early.append(line)
        else:
            self.logger.info(line, extra=FILE_ONLY)
