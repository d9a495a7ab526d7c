"""What pre-trained encoders give elsewhere: a study's transfers."""

import subprocess

import pandas as pd
import pytest
import torch
from command_helpers import Forked
from conftest import ROOT
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from ccmim_mm.apis import config_for_training
from ccmim_tools.studies import execute, expand, load_grid, write_report
from ccmim_tools.studies.transfer import figures_at, transfer_table

TINY = ROOT / 'tests/tiny_grid.py'
TRANSFERS = """
transfer_from = 0
transferred = ['no_pretraining', 'ccmim']
transfers = dict(
    frozen=dict(
        config='tests/tiny_config.py', data='others', at='start',
        options={'train_cfg.max_epochs': 1},
        figures={'kNN': ('knn_cls', 1.0)},
    ),
    tuned=dict(
        **datasets['pictures']['finetune'], data='others',
        figures={'top-1 as a share': ('accuracy/top1', 0.01)},
    ),
)
"""


DENSE = load_grid('configs/study/grid_dense.py').transfers


@pytest.mark.parametrize(
    'name', [n for n in DENSE if 'segmentation' in DENSE[n]['config']]
)
def test_what_is_tapped_has_as_many_maps_as_are_wanted(name):
    path, options = DENSE[name]['config'], DENSE[name].get('options', {})
    cfg = config_for_training(ROOT / path, options)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        inputs = torch.randn(1, 3, 96, 96)
        tapped, maps = model.backbone(inputs), model.extract_feat(inputs)
    assert [m.shape[-1] for m in maps] == [48, 24, 12, 6]
    # At the scale of the patches a pyramid changes nothing.
    kept = tapped[-1 if name == 'last_layer' else 2]
    assert torch.equal(maps[2], kept) == (name != 'norms')


@pytest.fixture
def grid(tmp_path):
    """The tiny grid with transfers, in a file of its own."""
    text = TINY.read_text().replace('seeds = [0]', 'seeds = [0, 1]')
    path = tmp_path / 'grid.py'
    path.write_text(text + TRANSFERS)
    return path


def test_each_starts_from_the_pre_training_that_is_named(grid):
    runs = [r for r in expand(load_grid(grid)) if r.data == 'others']
    assert len(runs) == 2 * 2 * 2
    for run in runs:
        assert run.options['randomness.seed'] == run.seed
        if run.method == 'ccmim':
            before = run.pretraining
            assert (before.method, before.seed) == ('ccmim', 0)
            assert before.dataset == 'pictures'
        else:
            assert run.pretraining is None
    loaded = load_grid(grid)
    loaded.transfer_from = None
    pairs = [
        (run.stage, run.seed, run.pretraining.seed)
        for run in expand(loaded)
        if run.data and run.method == 'ccmim'
    ]
    assert sorted(pairs) == [
        (stage, seed, seed) for stage in ('frozen', 'tuned') for seed in (0, 1)
    ]


def test_budgets_are_the_same_with_and_without_pre_training(grid):
    runs = {
        (r.stage, r.method): r
        for r in expand(load_grid(grid))
        if r.data and r.seed == 1
    }
    for stage in ('frozen', 'tuned'):
        ours, random = (
            runs[stage, method] for method in ('ccmim', 'no_pretraining')
        )
        assert ours.options == random.options
        assert ours.config == random.config


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("'ccmim']\ntransfers", "'cmim']\ntransfers", 'no methods'),
        ('transfer_from = 0', 'transfer_from = 7', 'none of the seeds'),
        ("data='others', at", 'at', 'transfers.frozen lacks data'),
        ('tuned=dict', 'finetune=dict', 'no transfer can be called'),
        ("at='start'", "at='begin'", r"frozen: at='begin' .*'start' or 'end'"),
        ("at='start'", 'epochs=3', r'transfers\.frozen lacks warmup'),
        (
            "at='start'",
            'epochs=3, warmup=3',
            r'transfers\.frozen: a warm-up of 3 of 3 epochs',
        ),
        (
            "max_epochs': 1",
            "max_epochs': dict(a=1)",
            r'transfers\.frozen\.options: .*max_epochs\.KEY=VALUE',
        ),
    ],
)
def test_transfers_that_mean_nothing_are_refused(grid, old, new, message):
    text = grid.read_text()
    assert text.count(old) == 1
    grid.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_grid(grid)


@pytest.mark.slow
def test_transfers_run_and_are_told(
    grid, picture_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(subprocess, 'Popen', Forked)
    loaded = load_grid(grid)
    loaded.seeds, loaded.finetuned, loaded.lengths = [0], [], {}
    del loaded.methods['mae']
    data, root = tmp_path / 'data', tmp_path / 'runs'
    data.mkdir()
    for name in ('pictures', 'others'):
        (data / name).symlink_to(picture_folder)
    runs = expand(loaded)
    assert execute(runs, root, data) == []
    transfers = {(r.stage, r.method): r for r in runs if r.data}
    # Before the first step; the same encoder as the pre-training ended with.
    frozen = figures_at(transfers['frozen', 'ccmim'].work_dir(root), 'start')
    ended = figures_at(runs[0].work_dir(root))
    assert frozen['knn_cls'] == ended['knn_cls']
    assert frozen['rankme_cls'] == pytest.approx(ended['rankme_cls'])
    log = transfers['tuned', 'ccmim'].work_dir(root) / 'console.log'
    assert str(runs[0].last_checkpoint(root)) in log.read_text()
    written = write_report(loaded, root, tmp_path / 'out')
    assert tmp_path / 'out/transfer.csv' in written
    rows = pd.read_csv(tmp_path / 'out/transfer.csv')
    assert len(rows) == 4 and {*rows['transfer']} == {'frozen', 'tuned'}
    told = rows.set_index(['transfer', 'method'])['value']
    assert told['frozen', 'ccmim'] == pytest.approx(frozen['knn_cls'])
    tuned = figures_at(transfers['tuned', 'no_pretraining'].work_dir(root))
    assert told['tuned', 'no_pretraining'] == pytest.approx(
        tuned['accuracy/top1'] / 100
    )
    text = (tmp_path / 'out/transfer.md').read_text()
    assert '| tuned ' in text and '`ccmim` - random' in text


def test_the_table_pairs_by_seed():
    values = {
        ('no_pretraining', 0): 50.0,
        ('no_pretraining', 1): 60.0,
        ('ccmim', 0): 54.0,
        ('ccmim', 1): 64.2,
        ('mae', 0): 51.0,
    }
    rows = pd.DataFrame(
        [(m, s, 't', 'f', v) for (m, s), v in values.items()],
        columns=['method', 'seed', 'transfer', 'figure', 'value'],
    )
    head, _, line = transfer_table(
        rows, ['no_pretraining', 'mae', 'ccmim']
    ).splitlines()
    cells = dict(
        zip(
            *(
                [cell.strip() for cell in row.split('|')[1:-1]]
                for row in (head, line)
            ),
            strict=True,
        )
    )
    assert cells['`no_pretraining`'] == '55.0 ± 7.1 (2)'
    # 4.0 and 4.2: their t interval is 12.706 standard errors wide.
    assert cells['`ccmim` - random'] == '**+4.1 ± 1.3** (2)'
    assert cells['`mae` - random'] == '+1.0 (1)'
