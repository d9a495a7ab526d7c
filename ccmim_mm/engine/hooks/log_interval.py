"""How often a run writes to its log."""

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner


def log_interval(runner: Runner) -> int:
    """Iterations between two lines of the log; 1 if it has no logger."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
    return hooks[-1].interval if hooks else 1
