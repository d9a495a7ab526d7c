"""The study: its grid, its runs, its statistics, its report."""

import copy
import csv
import fcntl
import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from command_helpers import Forked
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.registry import MODELS
from PIL import Image

from ccmim_mm.apis import apply_options
from ccmim_mm.engine.hooks.preemption_hook import EXIT_CODE
from ccmim_tools.studies import (
    Run,
    execute,
    expand,
    load_grid,
    select,
    write_report,
)
from ccmim_tools.studies.execute import child_environment
from ccmim_tools.studies.report import tables
from ccmim_tools.studies.results import COLUMNS, TYPES, picture_gflops
from ccmim_tools.studies.run import config_digest
from ccmim_tools.studies.statistics import (
    final_values,
    interval,
    paired,
    spread,
)
from ccmim_tools.study import main
from study import main as study_tool

GRIDS = sorted(ROOT.glob('configs/study/grid_*.py'))
TINY = ROOT / 'tests/tiny_grid.py'


read = cache(Config.fromfile)


def merged(run):
    cfg = copy.deepcopy(read(ROOT / run.config))
    cfg.merge_from_dict(run.options)
    return cfg


@pytest.mark.parametrize('path', GRIDS, ids=lambda path: path.stem)
def test_every_cell_builds_and_its_schedule_ends_with_it(path):
    built = []
    grid = load_grid(path)
    for run in select(expand(grid), seeds=[1]):
        cfg = merged(run)
        if run.stage in grid.transfers:
            # What it keeps, and a budget that all methods have.
            apply_options(copy.deepcopy(read(ROOT / run.config)), run.options)
            continue
        if cfg.model.type == 'ImageClassifier':
            cfg.model.head.num_classes = 10
        if cfg.model not in built:
            built.append(cfg.model)
            # A ResNet reads tensors while it is built.
            device = 'cpu' if cfg.model.backbone.type == 'ResNet' else 'meta'
            with torch.device(device):
                MODELS.build(cfg.model)
        epochs = cfg.train_cfg.max_epochs
        warmup, cosine = cfg.param_scheduler
        assert (warmup.end, cosine.end) == (cosine.begin, epochs)
        assert cosine.T_max == pytest.approx(epochs - warmup.end)
        assert cfg.randomness.seed == 1
        assert epochs / 2 <= cfg.train_cfg.val_interval < epochs / 2 + 1


def test_the_methods_are_what_they_are_called():
    runs = expand(load_grid(ROOT / 'configs/study/grid_tiny.py'))
    runs = select(runs, datasets=['eurosat'], seeds=[0], stages=['pretrain'])
    models = {run.method: merged(run).model for run in runs}

    def parts(name):
        model = models[name]
        random = model.mask_sampler.type == 'RandomMaskSampler'
        return random, model.align_head is None

    assert parts('mae') == (True, True)
    assert parts('scored_masks') == (False, True)
    assert parts('alignment') == (True, False)
    assert parts('ccmim') == (False, False)
    costs = {run.method: picture_gflops(merged(run)) for run in runs}
    # Masked and score passes forward only; backward is twice the forward.
    assert costs['ccmim'] - costs['alignment'] == pytest.approx(
        costs['scored_masks'] - costs['mae']
    )
    assert costs['masked_grad'] > costs['ccmim'] > costs['fast']
    fast = {**models['score_layers_1'], **models['align_a_third']}
    assert models['fast'].keys() == fast.keys()
    assert models['fast'].backbone == models['score_layers_1'].backbone
    assert (
        models['fast'].align_patches == models['align_a_third'].align_patches
    )


def test_only_the_options_tell_cells_apart():
    """Identical data, code, encoder, decoder and epochs."""
    runs = expand(load_grid(ROOT / 'configs/study/grid_tiny.py'))
    runs = select(runs, seeds=[2], stages=['pretrain'], datasets=['pets'])
    reference = select(runs, methods=['ccmim'])[0]
    for run in runs:
        differ = {
            key
            for key in {*run.options, *reference.options}
            if run.options.get(key) != reference.options.get(key)
        }
        epochs = 'train_cfg.max_epochs'
        if run.options[epochs] == reference.options[epochs]:
            assert all(key.startswith('model.') for key in differ)
        assert run.config == reference.config


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("'no_pretraining', 'ccmim'", "'cmim'", r"\['cmim'\], which are no"),
        ("method='mae'", "method='mea'", r"\['mea'\], which are no"),
        ('mae_x1_5', 'mae', 'two methods the same name'),
        ('seeds =', 'seed =', 'lacks seeds'),
        ("head': None", "head': dict(a=1)", 'align_head.KEY=VALUE'),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(tmp_path, old, new, message):
    text = TINY.read_text()
    assert old in text
    (tmp_path / 'grid.py').write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_grid(tmp_path / 'grid.py')


def test_a_name_that_is_not_in_the_grid_is_refused():
    runs = expand(load_grid(TINY))
    with pytest.raises(ValueError, match='no method maee, but ccmim, mae'):
        select(runs, methods=['ccmim', 'maee'])


def test_bad_input_is_named_before_anything_runs(
    tmp_path, monkeypatch, picture_folder
):
    runs, work_dir = expand(load_grid(TINY)), tmp_path / 'runs'
    with pytest.raises(FileNotFoundError, match=r'pictures.*--data-root'):
        execute(runs, work_dir, tmp_path)
    (tmp_path / 'pictures').symlink_to(picture_folder / 'train')
    with pytest.raises(ValueError, match=r'needs .*/train/CLASS'):
        execute(runs, work_dir, tmp_path)
    typo = replace(runs[0], options={**runs[0].options, 'modle.x': 1})
    with pytest.raises(ValueError, match='modle; did you mean model'):
        execute([typo], work_dir, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='no config tests'):
        execute(runs, work_dir, tmp_path)
    assert not work_dir.exists()


def test_slots_share_gpus_or_cores(monkeypatch):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr('os.sched_getaffinity', lambda _: {*range(8)})

    def gpu(slot):
        return child_environment(slot, 3, 2)['CUDA_VISIBLE_DEVICES']

    assert [gpu(slot) for slot in range(3)] == ['0', '1', '0']
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5,7')
    assert [gpu(slot) for slot in range(3)] == ['5', '7', '5']
    assert child_environment(0, 3, 0)['OMP_NUM_THREADS'] == '2'
    monkeypatch.setenv('OMP_NUM_THREADS', '4')
    assert child_environment(0, 3, 0)['OMP_NUM_THREADS'] == '4'


def finals(**methods):
    """A table like that of final_values: values of one column by seed."""
    values = {(m, s): v for m, seeds in methods.items() for s, v in seeds}
    index = pd.MultiIndex.from_tuples(values, names=['method', 'seed'])
    return pd.DataFrame({'x': [*values.values()]}, index)


def test_paired_differences():
    """Against Student's t by the book: 2 degrees of freedom, 4.3027."""
    values = [(0, 3.0), (1, 5.0), (2, 7.0), (5, 99.0)]
    final = finals(
        a=values,
        a_more=[(seed, value + 1) for seed, value in values],
        b=[(0, 2.0), (1, 3.0), (2, 4.0), (7, 0.0)],
        single=[(0, 1.0)],
        apart=[(9, 1.0)],
    )

    def difference(method):
        return interval(paired(final, 'b').loc[method, 'x'])

    found = difference('a')
    assert (found.mean, found.seeds) == (2.0, 3)
    assert found.half == pytest.approx(4.30265 / 3**0.5, rel=1e-4)
    assert not found.is_clear
    shifted = difference('a_more')
    assert shifted.half == pytest.approx(found.half) and shifted.is_clear
    single = difference('single')
    assert (single.mean, single.seeds) == (-1.0, 1)
    assert np.isnan(single.half) and not single.is_clear
    assert difference('apart').seeds == 0
    assert paired(final, 'not_run').isna().all(axis=None)
    assert spread(pd.Series([1.0, 2.0, 3.0])) == (2.0, 1.0, 3)


def test_final_values_take_the_last_row_that_has_one():
    rows = pd.DataFrame(
        [(0, 1.0), (0, 2.0), (0, None), (1, 3.0)], columns=['seed', 'x']
    )
    final = final_values(rows.assign(dataset='d', method='m'))
    assert final.loc['m', 'x'].to_dict() == {0: 2.0, 1: 3.0}


def test_the_published_tables_are_of_the_published_results():
    folder = ROOT / 'docs/study'
    rows = pd.read_csv(folder / 'results.csv', dtype=TYPES)
    assert {*rows} <= {*COLUMNS}
    grid = load_grid(ROOT / 'configs/study/grid_tiny.py')
    expected = (folder / 'tables.md').read_text()
    assert tables(rows, grid.references, grid.core) == expected


@pytest.fixture(scope='module')
def study(picture_folder, tmp_path_factory):
    """The tiny grid, run by the tool."""
    root = tmp_path_factory.mktemp('study')
    data = root / 'data'
    data.mkdir()
    (data / 'pictures').symlink_to(picture_folder)
    command = [sys.executable, 'tools/study.py', 'run', str(TINY)]
    command += ['--work-dir', str(root / 'runs'), '--data-root', str(data)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, 'Popen', Forked)
        patch.setattr(sys, 'argv', [*command[1:], '--jobs', '2'])
        patch.chdir(ROOT)
        main()
    return root, command


def test_a_finished_study_does_nothing_again(study):
    root, command = study
    logs = sorted(root.rglob('console.log'))
    assert len(logs) == 5
    before = [log.stat().st_mtime_ns for log in logs]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, '')
    assert [log.stat().st_mtime_ns for log in logs] == before


def test_other_options_never_mix_with_what_was_run(study):
    root, _ = study
    grid = load_grid(TINY)
    grid.methods.ccmim['model.align_head.temperature'] = 0.2
    runs = expand(grid)
    with pytest.raises(ValueError, match=r'pretrain.*was run with another'):
        execute(runs, root / 'runs', root / 'data')
    # Nor with the fine-tuning of what the pre-training was before.
    tuned = select(runs, methods=['ccmim'], stages=['finetune'])
    with pytest.raises(ValueError, match=r'finetune.*was run with another'):
        execute(tuned, root / 'runs', root / 'data')
    with pytest.raises(ValueError, match='was run with another'):
        write_report(grid, root / 'runs', root / 'out')
    assert not (root / 'out').exists()


@pytest.fixture
def own_config(study, tmp_path, monkeypatch):
    """A grid with a config that may be edited; runs that all go well."""
    for name, base in (
        ('base', ROOT / 'tests/tiny_config.py'),
        ('mine', 'base.py'),
    ):
        (tmp_path / f'{name}.py').write_text(f'_base_ = {str(base)!r}\n')
    grid = load_grid(TINY)
    grid.datasets.pictures.config = str(tmp_path / 'mine.py')
    runs = select(expand(grid), stages=['pretrain'])
    monkeypatch.setattr(Run, 'command', lambda *_: ['true'])
    return runs, tmp_path / 'runs', study[0] / 'data'


@pytest.mark.parametrize('name', ['mine', 'base'])
def test_what_a_config_says_counts_not_its_name(own_config, tmp_path, name):
    assert execute(*own_config) == []
    config_digest.cache_clear()
    assert execute(*own_config) == []
    with (tmp_path / f'{name}.py').open('a') as file:
        file.write('optim_wrapper = dict(optimizer=dict(lr=1.0))\n')
    config_digest.cache_clear()
    with pytest.raises(ValueError, match='another config, content of it'):
        execute(*own_config)


def test_after_a_run_that_failed_the_others_go_on(own_config, monkeypatch):
    runs, *_ = own_config
    code = {'ccmim': 'false'}
    monkeypatch.setattr(
        Run, 'command', lambda run, *_: [code.get(run.method, 'true')]
    )
    assert execute(*own_config) == select(runs, methods=['ccmim'])
    code.clear()
    assert execute(*own_config) == []


def test_a_run_that_failed_is_told_by_the_exit_code(own_config, monkeypatch):
    _, work_dir, data = own_config
    monkeypatch.setattr(Run, 'command', lambda *_: ['false'])
    command = ['run', str(TINY), '--methods', 'ccmim', '--work-dir']
    with pytest.raises(SystemExit, match=r'2 of 2 runs are not done; the sa'):
        study_tool([*command, str(work_dir), '--data-root', str(data)])


def test_a_report_is_written_over_a_report_alone(study, tmp_path):
    grid = load_grid(TINY)
    (tmp_path / 'results.csv').write_text('mine')
    with pytest.raises(FileExistsError, match='left untouched'):
        write_report(grid, study[0] / 'runs', tmp_path)
    assert (tmp_path / 'results.csv').read_text() == 'mine'


def test_fine_tuning_started_from_the_last_checkpoint(study):
    log = study[0] / 'runs/finetune/pictures/ccmim/seed_0/console.log'
    last = study[0] / 'runs/pretrain/pictures/ccmim/seed_0/epoch_2.pth'
    expected = f'{last} (project names): loaded 40 of 42 backbone tensors'
    assert expected in log.read_text()


def test_a_missing_last_evaluation_is_not_done(
    study, tmp_path, capfd, monkeypatch
):
    """The run was killed after its last checkpoint, say."""
    runs = select(expand(load_grid(TINY)), methods=['no_pretraining'])
    monkeypatch.setattr(Run, 'command', lambda *_: ['true'])
    assert execute(runs, tmp_path, study[0] / 'data') == runs
    assert 'last evaluation is missing: remove' in capfd.readouterr().out


def test_a_run_is_never_run_twice_at_a_time(study, tmp_path, capfd):
    runs = select(expand(load_grid(TINY)), methods=['no_pretraining'])
    log = runs[0].work_dir(tmp_path) / 'console.log'
    log.parent.mkdir(parents=True)
    with log.open('a') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert execute(runs, tmp_path, study[0] / 'data') == runs
    assert 'it is running already' in capfd.readouterr().out


def test_the_report(study, tmp_path):
    grid = load_grid(TINY)
    files = write_report(grid, study[0] / 'runs', tmp_path)
    with (tmp_path / 'results.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert {*rows[0]} <= {*COLUMNS}
    points = [(r['method'], r['iteration']) for r in rows]
    assert points == [
        *(('ccmim', i) for i in ('0', '3', '6')),
        *(('mae', i) for i in ('0', '3', '6')),
        *(('mae_x1_5', i) for i in ('0', '6', '9')),
        ('no_pretraining', ''),
    ]
    end = rows[2]
    summary = study[0] / 'runs/pretrain/pictures/ccmim/seed_0/summary.json'
    judged = json.loads(summary.read_text())['evaluations'][-1]
    for name in ('knn_cls', 'linear_mean'):
        assert float(end[name]) == pytest.approx(judged[name], rel=1e-5)
    assert (end['epoch'], end['pictures']) == ('2', '48')
    assert float(end['seconds']) == pytest.approx(
        2 * float(rows[1]['seconds']), rel=1e-4
    )
    assert 0 <= float(end['align_acc']) <= 1 and rows[5]['align_acc'] == ''
    assert 0 <= float(end['finetune']) <= 100 and rows[1]['finetune'] == ''
    text = (tmp_path / 'tables.md').read_text()
    assert 'Paired difference to `ccmim`' in text
    assert '| `no_pretraining` ' in text
    assert write_report(grid, study[0] / 'runs', tmp_path) == files
    plots = [path for path in files if path.suffix == '.png']
    assert len(plots) == 3
    for path in plots:
        with Image.open(path) as image:
            assert np.asarray(image).std() > 10


def test_a_run_that_failed_is_named_and_not_done(
    study, tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr(Run, 'command', lambda *_: ['false'])
    runs = select(expand(load_grid(TINY)), methods=['ccmim'])
    assert execute(runs, tmp_path, study[0] / 'data') == runs
    out = capfd.readouterr().out
    assert 'failed: pretrain pictures ccmim seed 0: see' in out
    assert 'not run: finetune pictures ccmim seed 0' in out


@pytest.mark.parametrize('how', [f'exit {EXIT_CODE}', 'kill -TERM $$'])
def test_a_run_that_was_stopped_stops_the_study(
    study, tmp_path, capfd, monkeypatch, how
):
    monkeypatch.setattr(Run, 'command', lambda *_: ['bash', '-c', how])
    runs = expand(load_grid(TINY))
    assert execute(runs, tmp_path, study[0] / 'data', 1) == runs
    out = capfd.readouterr().out
    assert out.startswith('stopped: pretrain pictures ccmim seed 0')
    assert len(out.splitlines()) == 1


def test_sigterm_stops_the_children_first(study, tmp_path, monkeypatch):
    """The child signals its parent, then waits for being stopped itself."""
    # `wait` alone is broken off by a trap at any moment.
    script = 'sleep 60 & trap "kill $!; exit 75" TERM; kill -TERM $PPID; wait'
    monkeypatch.setattr(Run, 'command', lambda *_: ['bash', '-c', script])
    runs = expand(load_grid(TINY))
    with pytest.raises(KeyboardInterrupt):
        execute(runs, tmp_path / 'runs', study[0] / 'data', 1)
    assert len([*tmp_path.rglob('console.log')]) == 1


def test_no_runs_no_report(tmp_path):
    with pytest.raises(FileNotFoundError, match='study run first'):
        write_report(load_grid(TINY), tmp_path / 'none', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
