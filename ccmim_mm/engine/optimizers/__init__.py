"""Optimizer wrappers and their constructors."""

from .backbone_layer_decay_constructor import BackboneLayerDecayConstructor
from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .finite_optim_wrapper import FiniteOptimWrapper

__all__ = [
    'BFloat16OptimWrapper',
    'BackboneLayerDecayConstructor',
    'FiniteOptimWrapper',
]
