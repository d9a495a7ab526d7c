"""Optimizer wrappers and their constructors."""

from .backbone_layer_decay_constructor import BackboneLayerDecayConstructor
from .bfloat16_optim_wrapper import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper', 'BackboneLayerDecayConstructor']
