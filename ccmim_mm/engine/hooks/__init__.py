"""Hooks: what watches a run."""

from .agreement_hook import AgreementHook
from .collapse_hook import CollapseHook
from .compile_layers_hook import CompileLayersHook
from .deferred_runtime_info_hook import DeferredRuntimeInfoHook
from .initial_val_hook import InitialValHook
from .mask_analysis_hook import MaskAnalysisHook
from .mask_panel_hook import MaskPanelHook
from .preemption_hook import PreemptionHook
from .pretrained_hook import PretrainedHook
from .run_summary_hook import RunSummaryHook
from .throughput_hook import ThroughputHook
from .unreadable_picture_hook import UnreadablePictureHook
from .whole_checkpoint_hook import WholeCheckpointHook

__all__ = [
    'AgreementHook',
    'CollapseHook',
    'CompileLayersHook',
    'DeferredRuntimeInfoHook',
    'InitialValHook',
    'MaskAnalysisHook',
    'MaskPanelHook',
    'PreemptionHook',
    'PretrainedHook',
    'RunSummaryHook',
    'ThroughputHook',
    'UnreadablePictureHook',
    'WholeCheckpointHook',
]
