"""Hooks: what watches a run."""

from .compile_layers_hook import CompileLayersHook
from .deferred_runtime_info_hook import DeferredRuntimeInfoHook
from .initial_val_hook import InitialValHook
from .mask_panel_hook import MaskPanelHook
from .pretrained_hook import PretrainedHook
from .run_summary_hook import RunSummaryHook
from .throughput_hook import ThroughputHook
from .unreadable_picture_hook import UnreadablePictureHook

__all__ = [
    'CompileLayersHook',
    'DeferredRuntimeInfoHook',
    'InitialValHook',
    'MaskPanelHook',
    'PretrainedHook',
    'RunSummaryHook',
    'ThroughputHook',
    'UnreadablePictureHook',
]
