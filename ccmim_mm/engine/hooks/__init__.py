"""Hooks: what guards a run, watches it, and shows it."""

from .agreement_hook import AgreementHook
from .atomic_checkpoint_hook import AtomicCheckpointHook
from .collapse_hook import CollapseHook
from .compile_layers_hook import CompileLayersHook
from .deferred_runtime_info_hook import DeferredRuntimeInfoHook
from .draw_predictions_hook import DrawPredictionsHook
from .due_val_hook import DueValHook
from .look_hook import LookHook
from .mask_analysis_hook import MaskAnalysisHook
from .panel_hook import PanelHook
from .preemption_hook import PreemptionHook
from .progress_hook import ProgressHook
from .run_summary_hook import RunSummaryHook
from .skipped_steps_hook import SkippedStepsHook
from .throughput_hook import ThroughputHook
from .unreadable_picture_hook import UnreadablePictureHook

__all__ = [
    'AgreementHook',
    'AtomicCheckpointHook',
    'CollapseHook',
    'CompileLayersHook',
    'DeferredRuntimeInfoHook',
    'DrawPredictionsHook',
    'DueValHook',
    'LookHook',
    'MaskAnalysisHook',
    'PanelHook',
    'PreemptionHook',
    'ProgressHook',
    'RunSummaryHook',
    'SkippedStepsHook',
    'ThroughputHook',
    'UnreadablePictureHook',
]
