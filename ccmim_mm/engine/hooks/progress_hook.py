"""How a run is getting on, in as few lines as possible."""

import time
from datetime import timedelta
from numbers import Real

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from ...files import printable
from ..console import ProgressBar, say
from ..console.header import header
from ..points import evaluations, main_figures
from .log_interval import log_interval


@HOOKS.register_module()
class ProgressHook(Hook):
    """Print what a run is, how far it is, and what it reached.

    A header before the first step; on a terminal a bar with loss, rates and
    the time that is left, elsewhere a line with them each time the log is
    written; a line for every epoch, and one for every evaluation, with the
    change since the first. All of it is read from the message hub when it
    has been brought there for the log, so that nothing waits for the device.

    The runner adds this hook where its console is the quiet one.
    """

    # After all that makes values.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.bar: ProgressBar | None = None
        self.interval = 1
        self.by_epoch = True
        self.said = ''
        self.judged = 0
        self.since = 0.0

    @master_only
    def before_train(self, runner) -> None:
        """Print the header, and begin the bar."""
        self.by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self.interval = log_interval(runner)
        for line in header(runner):
            say(line)
        self.bar = ProgressBar(runner.max_iters, runner.iter)

    def before_train_epoch(self, runner) -> None:
        """Take the time."""
        self.since = time.monotonic()

    @master_only
    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Draw the bar; without a terminal print a line now and then."""
        if self.bar is None:
            return
        place = _place(runner, self.by_epoch)
        if self.every_n_inner_iters(batch_idx, self.interval):
            self.said = _values(runner, self.interval)
            ends = self.end_of_epoch(runner.train_dataloader, batch_idx)
            # An epoch's end has a line of its own.
            if not self.bar.is_drawn and not (self.by_epoch and ends):
                if self.by_epoch:
                    steps = len(runner.train_dataloader)
                    place += f', {batch_idx + 1}/{steps}'
                say(f'{place}  {self.said}{_eta(runner)}')
        self.bar.show(place, runner.iter + 1, f'{self.said}{_eta(runner)}')

    @master_only
    def after_train_epoch(self, runner) -> None:
        """Print the epoch's line."""
        if self.bar is None or not self.by_epoch:
            return
        values = _values(runner, len(runner.train_dataloader))
        took = timedelta(seconds=round(time.monotonic() - self.since))
        say(f'{_place(runner, True)}  {values}  took {took}{_eta(runner)}')

    @master_only
    def before_val(self, runner) -> None:
        """Say how far iterations are that are counted in no epochs."""
        self.judged = 0
        if self.bar is None or not self.bar.is_drawn or self.by_epoch:
            return
        if self.said:
            done = f'iteration {runner.iter:,}/{runner.max_iters:,}'
            say(f'{done}  {self.said}{_eta(runner)}')

    @master_only
    def before_batch_judged(self, runner) -> None:
        """Draw that an evaluation goes on."""
        self.judged += 1
        if self.bar is not None:
            self.bar.show(f'evaluating, batch {self.judged:,}')

    def after_val_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Likewise."""
        self.before_batch_judged(runner)

    @master_only
    def after_val_epoch(
        self, runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Print what an evaluation found, and the change since the first."""
        first = next(iter(evaluations(runner.message_hub)), {})
        if first.get('iter') == runner.iter:
            # This one, where it has been noted already.
            first = {}
        figures = main_figures(metrics)
        shown = [
            f'{_short(name)} {value:.4g}' + _change(value, first.get(name))
            for name, value in figures.items()
        ]
        if shown:
            when = '' if runner.iter else ' at the start'
            say(f'evaluation{when}  {"  ".join(shown)}', 'bold')

    @master_only
    def before_test(self, runner) -> None:
        """Begin the bar of a test."""
        self.judged = 0
        self.bar = ProgressBar(len(runner.test_dataloader))

    def after_test_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Draw that a test goes on."""
        if self.bar is not None:
            self.bar.show('testing', batch_idx + 1)

    @master_only
    def after_test_epoch(
        self, runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Print all figures of a test."""
        self._stop()
        for name, value in (metrics or {}).items():
            if isinstance(value, Real):
                say(f'{name}: {value:.6g}')
        say(f'log: {printable(runner.logger.log_file)}')

    def after_train(self, runner) -> None:
        """Take the bar away."""
        self._stop()

    def after_failure(self, runner) -> None:
        """Likewise."""
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _short(name: str) -> str:
    """A figure's name without that of its family."""
    return name.rpartition('/')[2]


def _change(value: float, first: float | None) -> str:
    return '' if first is None else f' ({value - first:+.3g})'


def _place(runner, by_epoch: bool) -> str:
    """Where a run is within a step, of which neither counts yet."""
    if by_epoch:
        return f'epoch {runner.epoch + 1}/{runner.max_epochs}'
    return f'iteration {runner.iter + 1:,}/{runner.max_iters:,}'


def _values(runner, window: int) -> str:
    """What was logged last, means over a number of iterations."""
    found = runner.message_hub.log_scalars
    shown = []
    for name, text in (
        ('loss', 'loss {:.4g}'),
        ('lr', 'lr {:.2e}'),
        ('imgs_per_s', '{:,.0f} pictures/s'),
    ):
        values = found.get(f'train/{name}')
        if values is not None and len(values.data[0]):
            mean = name != 'lr'
            value = values.mean(window) if mean else values.current()
            shown.append(text.format(value))
    return '  '.join(shown)


def _eta(runner) -> str:
    seconds = runner.message_hub.runtime_info.get('eta')
    if seconds is None:
        return ''
    return f'  {timedelta(seconds=int(seconds))} left'
