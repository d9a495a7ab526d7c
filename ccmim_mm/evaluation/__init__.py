"""How good the features are, and what attention and masks do."""

from .correspondence import Agreement, Crops, match_agreement, true_cells
from .knn import knn_accuracy
from .linear_probe import fit_linear_probe, linear_probe_accuracy
from .mask_analysis import object_cover, on_object
from .readable_evaluator import ReadableEvaluator, failures_of
from .ridge import Regression, regress
from .rows import Rows, finite_rows
from .separability import (
    PairLatents,
    Separability,
    class_share,
    ident,
    measure_separability,
    own_class_lead,
    superposition,
)
from .spectrum import alpha_req, effective_rank, feature_std, rankme
from .undisturbed import undisturbed

__all__ = [
    'Agreement',
    'Crops',
    'PairLatents',
    'ReadableEvaluator',
    'Regression',
    'Rows',
    'Separability',
    'alpha_req',
    'class_share',
    'effective_rank',
    'failures_of',
    'feature_std',
    'finite_rows',
    'fit_linear_probe',
    'ident',
    'knn_accuracy',
    'linear_probe_accuracy',
    'match_agreement',
    'measure_separability',
    'object_cover',
    'on_object',
    'own_class_lead',
    'rankme',
    'regress',
    'superposition',
    'true_cells',
    'undisturbed',
]
