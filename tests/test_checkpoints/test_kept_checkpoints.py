"""Which checkpoints are kept: the best, and the last."""

from pathlib import Path

import pytest
import torch
from run_helpers import bare, config

from ccmim_mm.engine import ResilientRunner


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


@pytest.fixture
def judge(picture_folder, tmp_path):
    """Tell the hook of an evaluation after an epoch of one step."""
    runners = {}

    def tell(epoch, metrics, **options):
        key = str(options)
        if key not in runners:
            cfg = config(picture_folder, tmp_path, epochs=9)
            cfg.default_hooks.checkpoint.update(options)
            runners[key] = ResilientRunner.from_cfg(cfg)
        runner = runners[key]
        runner.train_loop._epoch = runner.train_loop._iter = epoch
        (hook,) = (h for h in runner.hooks if hasattr(h, 'save_best'))
        hook.after_val_epoch(runner, metrics)
        return runner.message_hub.runtime_info

    return tell


def test_auto_stays_with_the_metric_of_the_first_evaluation(judge, tmp_path):
    judge(1, dict(knn_cls=40.0, knn_mean=70.0), save_best='auto')
    # Its features are not finite: 60 of another metric is not more than 40.
    judge(2, dict(knn_mean=60.0), save_best='auto')
    assert names(tmp_path) == ['best_knn_cls_epoch_1.pth']
    judge(3, dict(knn_mean=71.0, knn_cls=55.0), save_best='auto')
    assert names(tmp_path) == ['best_knn_cls_epoch_3.pth']


def test_the_best_by_another_metric_or_rule_begins_anew(judge, tmp_path):
    metrics = dict(rank=5.0, alpha=3.3)
    before = judge(1, metrics, save_best='rank')
    now = judge(0, metrics, save_best='alpha')
    now.update(before)
    judge(2, metrics, save_best='alpha')
    # That of the other is not its to remove.
    kept = ['best_alpha_epoch_2.pth', 'best_rank_epoch_1.pth']
    assert names(tmp_path) == kept
    assert (now['best_score'], now['best_metric']) == (3.3, 'alpha')
    # A second may have passed, which names another log.
    logs = ''.join(log.read_text() for log in tmp_path.glob('*/*.log'))
    assert 'save_best=alpha (greater) begins anew: best_rank' in logs
    less = judge(0, metrics, save_best='alpha', rule='less')
    less.update(now)
    judge(3, dict(alpha=3.4), save_best='alpha', rule='less')
    assert less['best_checkpoint'] == 'best_alpha_epoch_3.pth'


def test_a_misspelt_metric_is_refused_before_the_first_step(judge):
    with pytest.raises(ValueError, match=r"'knn_clss' is none of knn_cls"):
        judge(0, dict(knn_cls=4.0), save_best='knn_clss')


@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_training_that_ends_early_is_saved(
    by_epoch, picture_folder, tmp_path
):
    cfg = config(picture_folder, tmp_path, epochs=6)
    cfg.default_hooks.checkpoint.update(interval=51, by_epoch=by_epoch)
    cfg.custom_hooks.append(
        dict(
            type='EarlyStoppingHook',
            monitor='knn_cls',
            rule='greater',
            patience=1,
            min_delta=1000.0,
        )
    )
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    assert 0 < runner.epoch < 6
    name = f'epoch_{runner.epoch}' if by_epoch else f'iter_{runner.iter}'
    assert names(tmp_path) == [f'{name}.pth']
    meta = torch.load(tmp_path / f'{name}.pth', weights_only=False)['meta']
    assert (meta['epoch'], meta['iter']) == (runner.epoch, runner.iter)
    again = config(picture_folder, tmp_path, epochs=6, resume='auto')
    again.experiment_name += 'again'
    runner = ResilientRunner.from_cfg(again)
    runner.train()
    assert runner.epoch == 6


def test_a_checkpoint_that_cannot_be_removed_ends_no_training(
    picture_folder, tmp_path, monkeypatch
):
    real = Path.unlink

    def unlink(path, *args, **kwargs):
        if path.name == 'epoch_1.pth':
            raise OSError(116, 'Stale file handle')
        real(path, *args, **kwargs)

    monkeypatch.setattr(Path, 'unlink', unlink)
    cfg = bare(config(picture_folder, tmp_path, epochs=3))
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    assert names(tmp_path) == ['epoch_1.pth', 'epoch_3.pth']
    (log,) = tmp_path.glob('*/*.log')
    said = 'epoch_1.pth stays: it could not be removed (Stale file handle)'
    assert log.read_text().count(said) == 1
