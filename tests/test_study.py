"""A study's runs and its report."""

import csv
import fcntl
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from command_helpers import Forked
from conftest import ROOT
from PIL import Image

from ccmim_mm.engine.hooks.preemption_hook import EXIT_CODE
from ccmim_tools.studies import (
    Run,
    execute,
    expand,
    load_grid,
    select,
    write_report,
)
from ccmim_tools.studies.results import COLUMNS
from ccmim_tools.studies.run import config_digest
from ccmim_tools.study import main
from study import main as study_tool

pytestmark = pytest.mark.slow

TINY = ROOT / 'tests/tiny_grid.py'


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


def test_runs_on_other_data_never_mix(study, own_config, tmp_path):
    runs, root, data = own_config
    assert execute(runs, root, data) == []
    assert execute(runs, root, data / '..' / data.name) == []
    other = tmp_path / 'other'
    message = (
        f'was run on {(data / "pictures").resolve()}, and --data-root gives '
        f'it {other / "pictures"}: take another --work-dir'
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        execute(runs, root, other)
    # Nor is what starts from them run on other data.
    tuned = select(expand(load_grid(TINY)), stages=['finetune'])
    tuned = [replace(tuned[1], pretraining=runs[0])]
    with pytest.raises(ValueError, match=r'pretrain.* was run on'):
        execute(tuned, root, other)
    # Moved: the record says so. From before it did: of any folder.
    for folder in (other / 'pictures', None):
        for run in runs:
            path = run.work_dir(root) / 'run.json'
            record = json.loads(path.read_text())
            record['data_folder'] = str(folder)
            if folder is None:
                del record['data_folder']
            path.write_text(json.dumps(record))
        assert execute(runs, root, other) == []


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


def test_the_report_says_what_it_wrote_and_no_more(study, tmp_path):
    root, command = study
    command = [*command[:2], 'report', str(TINY), '--work-dir']
    command += [str(root / 'runs'), '--out', str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert sorted(done.stdout.split()) == sorted(map(str, tmp_path.iterdir()))


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


def test_what_was_not_found_at_the_end_is_not_told(study, tmp_path):
    """A run whose last evaluation had no finite feature."""
    shutil.copytree(study[0] / 'runs', tmp_path / 'runs')
    path = tmp_path / 'runs/pretrain/pictures/ccmim/seed_0/summary.json'
    summary = json.loads(path.read_text())
    del summary['evaluations'][-1]
    path.write_text(json.dumps(summary))
    write_report(load_grid(TINY), tmp_path / 'runs', tmp_path / 'out')
    with (tmp_path / 'out/results.csv').open() as file:
        end = list(csv.DictReader(file))[2]
    assert (end['method'], end['iteration']) == ('ccmim', '6')
    assert (end['knn_cls'], end['linear_mean']) == ('', '')
    assert end['loss_rec'] and end['finetune']


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
