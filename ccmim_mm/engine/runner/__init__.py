"""The runner, and the loops of training and evaluation."""

from .feature_loop import LabelFreeLoop
from .frozen_feature_loop import FrozenFeatureLoop, FrozenFeatureTestLoop
from .fully_shard import FullyShard
from .resilient_runner import ResilientRunner
from .resumable_loop import ResumableLoop
from .resumable_loops import ResumableEpochTrainLoop, ResumableIterTrainLoop

__all__ = [
    'FrozenFeatureLoop',
    'FrozenFeatureTestLoop',
    'FullyShard',
    'LabelFreeLoop',
    'ResilientRunner',
    'ResumableEpochTrainLoop',
    'ResumableIterTrainLoop',
    'ResumableLoop',
]
