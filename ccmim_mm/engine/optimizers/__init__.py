"""Optimizer wrappers and their constructors."""

from .backbone_layer_decay_constructor import BackboneLayerDecayConstructor
from .finite_optim_wrapper import FiniteOptimWrapper

__all__ = ['BackboneLayerDecayConstructor', 'FiniteOptimWrapper']
