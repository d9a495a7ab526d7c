"""The runner, and the loops of training and evaluation."""

from .frozen_feature_loop import FrozenFeatureLoop, FrozenFeatureTestLoop
from .resilient_runner import ResilientRunner
from .resumable_loops import ResumableEpochTrainLoop, ResumableIterTrainLoop

__all__ = [
    'FrozenFeatureLoop',
    'FrozenFeatureTestLoop',
    'ResilientRunner',
    'ResumableEpochTrainLoop',
    'ResumableIterTrainLoop',
]
