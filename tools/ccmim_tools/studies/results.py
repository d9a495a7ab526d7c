"""What the runs of a study came to, as one tidy table."""

from pathlib import Path
from statistics import median_high
from typing import Any

import pandas as pd
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ccmim_mm.config import read_config
from ccmim_mm.run_files import SUMMARY, read_summary
from ccmim_mm.visualization import training_rows

from ..benchmarks.methods import method_cost
from ..config_names import find_config
from .grid import expand
from .records import is_done
from .run import Run
from .transfer import figures_at

Row = dict[str, Any]

#: Judged on frozen features, in percent.
ACCURACIES = ('knn_cls', 'knn_mean', 'linear_cls', 'linear_mean')
#: Likewise, by :class:`ccmim_mm.engine.LabelFreeLoop`'s figures.
SPECTRUM = ('rankme_cls', 'rankme_mean', 'alpha_cls', 'alpha_mean')
#: Means over the training since the last evaluation.
LOGGED = (
    *('loss_rec', 'align_ce', 'align_acc', 'align_std'),
    *('contrast_acc', 'contrast_std', 'target_cos', 'pred_std'),
    *('patch_acc', 'patch_acc_other', 'key_cos', 'image_acc', 'image_std'),
    *('ident_sub', 'ident_dom'),
)
#: By MaskAnalysisHook, on fixed pictures.
ANALYSED = (
    *('score_std', 'top_masked', 'std_cls', 'std_mean'),
    *('rank_cls', 'rank_mean'),
    *('object_share', 'object_attention', 'object_masked'),
)
COLUMNS = (
    *('dataset', 'method', 'seed', 'epoch', 'iteration', 'pictures'),
    *('gflops', 'seconds', *ACCURACIES, 'finetune', *LOGGED, *ANALYSED),
    *SPECTRUM,
)
#: Of the columns, to read the table with.
TYPES = {
    **dict.fromkeys(COLUMNS, 'float64'),
    **dict.fromkeys(('dataset', 'method'), 'str'),
    **dict.fromkeys(('seed', 'iteration', 'pictures'), 'Int64'),
}


def collect(grid: Config, root: Path) -> pd.DataFrame:
    """One row per run and evaluation point, of the runs that ended well.

    Args:
        grid: See :func:`studies.load_grid`.
        root: Work dir of the study.

    Returns:
        A table of ``COLUMNS``, nan where nothing was measured, without
        those of ``LOGGED`` and ``SPECTRUM`` that no method has.
        ``gflops`` are those of the training so far, not of its teacher's;
        ``seconds`` likewise, its steps times their median, so that a pause
        does not count;
        ``finetune`` is top-1 in percent, in the last row of a run.

    Raises:
        FileNotFoundError: If a run has no summary.
        ValueError: If a run was another than the grid has now, or its
            summary is damaged.
    """
    rows: list[Row] = []
    for run in expand(grid):
        if is_done(run, root):
            if run.stage == 'pretrain':
                rows += _pretraining_rows(run, root)
            elif run.stage == 'finetune':
                _add_finetuning(rows, run, root)
    table = pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
    optional = LOGGED + SPECTRUM
    return table.drop(columns=[c for c in optional if not table[c].count()])


def _pretraining_rows(run: Run, root: Path) -> list[Row]:
    work_dir = run.work_dir(root)
    summary = read_summary(work_dir, 'epochs', 'iterations', 'evaluations')
    if summary is None:
        raise FileNotFoundError(f'{run.name} has left no {SUMMARY}')
    log = pd.DataFrame(training_rows(work_dir)).set_index('iter')
    step = median_high(log['time'])
    analysis = {p.pop('iter'): p for p in summary.get('mask_analysis', ())}
    cfg = read_config(find_config(run.config))
    cfg.merge_from_dict(run.options)
    batch = cfg.train_dataloader.batch_size
    gflops = picture_gflops(cfg)
    points = summary['evaluations']
    if not points or points[-1]['iter'] < summary['iterations']:
        # No feature was finite then: nothing was found, and that is the end.
        points.append(dict(iter=summary['iterations']))
    rows, previous = [], 0
    for point in points:
        iteration = point['iter']
        row: Row = dict(
            dataset=run.dataset,
            method=run.method,
            seed=run.seed,
            epoch=iteration * summary['epochs'] / summary['iterations'],
            iteration=iteration,
            pictures=iteration * batch,
            gflops=gflops * iteration * batch,
            seconds=iteration * step,
        )
        row |= {name: point.get(name) for name in ACCURACIES + SPECTRUM}
        row |= analysis.get(iteration, {})
        since = log.loc[previous + 1 : iteration]
        row |= since.reindex(columns=LOGGED).mean().to_dict()
        rows.append(row)
        previous = iteration
    return rows


def _add_finetuning(rows: list[Row], run: Run, root: Path) -> None:
    """Into the last row of its pre-training, or into one of its own."""
    key = (run.dataset, run.method, run.seed)
    own = [r for r in rows if (r['dataset'], r['method'], r['seed']) == key]
    if not own:
        own = [dict(dataset=run.dataset, method=run.method, seed=run.seed)]
        rows += own
    found = figures_at(run.work_dir(root))
    own[-1]['finetune'] = found.get('accuracy/top1')


def picture_gflops(cfg: Config) -> float:
    """GFLOPs of one training step for one picture, forward and backward."""
    init_default_scope('mmpretrain')
    return method_cost(cfg)['step']
