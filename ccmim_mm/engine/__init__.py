"""What runs the training: loops, hooks, optimizer wrappers."""

from .hooks import (
    CompileLayersHook,
    DeferredRuntimeInfoHook,
    InitialValHook,
    MaskPanelHook,
    PretrainedHook,
    RunSummaryHook,
    ThroughputHook,
    UnreadablePictureHook,
)
from .optimizers import BackboneLayerDecayConstructor, BFloat16OptimWrapper
from .runner import FrozenFeatureLoop, FrozenFeatureTestLoop, PretrainLoop

__all__ = [
    'BFloat16OptimWrapper',
    'BackboneLayerDecayConstructor',
    'CompileLayersHook',
    'DeferredRuntimeInfoHook',
    'FrozenFeatureLoop',
    'FrozenFeatureTestLoop',
    'InitialValHook',
    'MaskPanelHook',
    'PretrainLoop',
    'PretrainedHook',
    'RunSummaryHook',
    'ThroughputHook',
    'UnreadablePictureHook',
]
