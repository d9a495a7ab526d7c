"""What runs the training: runner, loops, hooks, optimizer wrappers."""

from . import hooks, optimizers, runner
from .hooks import *  # noqa: F403
from .optimizers import *  # noqa: F403
from .runner import *  # noqa: F403

__all__ = [*hooks.__all__, *optimizers.__all__, *runner.__all__]
