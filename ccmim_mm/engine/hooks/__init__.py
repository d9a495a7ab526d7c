"""Hooks: what watches a run."""

from .initial_val_hook import InitialValHook
from .mask_panel_hook import MaskPanelHook
from .pretrained_hook import PretrainedHook
from .run_summary_hook import RunSummaryHook
from .throughput_hook import ThroughputHook
from .unreadable_picture_hook import UnreadablePictureHook

__all__ = [
    'InitialValHook',
    'MaskPanelHook',
    'PretrainedHook',
    'RunSummaryHook',
    'ThroughputHook',
    'UnreadablePictureHook',
]
