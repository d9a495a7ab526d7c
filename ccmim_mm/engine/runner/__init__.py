"""Loops."""

from .ccmim_runner import CCMIMRunner
from .frozen_feature_loop import FrozenFeatureLoop, FrozenFeatureTestLoop
from .pretrain_loop import PretrainLoop

__all__ = [
    'CCMIMRunner',
    'FrozenFeatureLoop',
    'FrozenFeatureTestLoop',
    'PretrainLoop',
]
