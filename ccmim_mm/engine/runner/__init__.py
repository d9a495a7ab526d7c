"""Loops."""

from .frozen_feature_loop import FrozenFeatureLoop, FrozenFeatureTestLoop
from .pretrain_loop import PretrainLoop

__all__ = ['FrozenFeatureLoop', 'FrozenFeatureTestLoop', 'PretrainLoop']
