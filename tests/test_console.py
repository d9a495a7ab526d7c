"""What is on the screen of a run, and how one ends that fails."""

import logging
import os
import sys
import warnings
from contextlib import suppress
from types import SimpleNamespace

import pytest
import rich
import torch
from conftest import ROOT
from mmengine.logging import MMLogger, print_log
from rich.console import Console
from run_helpers import bare, config
from torch import nn

from ccmim_mm.engine import (
    AtomicCheckpointHook,
    PanelHook,
    ResilientRunner,
    RunSummaryHook,
)
from ccmim_mm.engine.console import (
    ProgressBar,
    overhearing,
    quieten,
    report,
    say,
)
from ccmim_mm.engine.console.failure import explain
from ccmim_mm.engine.hooks.run_summary_hook import _tool
from ccmim_mm.engine.points import main_figures


@pytest.fixture
def logger(tmp_path):
    logger = MMLogger(str(tmp_path), log_file=str(tmp_path / 'run.log'))
    quieten(logger)
    return logger


def says(module, logger, text, level='INFO'):
    """Log from a module, directly and as mmengine does."""
    code = """
from mmengine.logging import print_log
logger.log(level, text)
print_log(text + ', printed', logger, level)
"""
    level = logging.getLevelName(level)
    exec(code, dict(__name__=module, logger=logger, text=text, level=level))


def test_the_console_has_what_matters_and_the_file_all(
    logger, tmp_path, capsys
):
    says('mmengine.runner.runner', logger, 'the config')
    says('mmdet.models.x', logger, 'a table')
    says('mmcv.x', logger, 'something is odd [red]:smile:', 'WARNING')
    says('mmcv.x', logger, '"FileClient" will be deprecated', 'WARNING')
    says('ccmim_mm.engine.x', logger, 'loaded 3 of 3')
    says('my_hooks', logger, 'mine')
    assert capsys.readouterr().out.splitlines() == [
        'warning: something is odd [red]:smile:',
        'warning: something is odd [red]:smile:, printed',
        *('loaded 3 of 3', 'loaded 3 of 3, printed', 'mine', 'mine, printed'),
    ]
    assert len((tmp_path / 'run.log').read_text().splitlines()) == 12


def test_what_libraries_print_is_for_the_log(capsys):
    noted = []
    code = (
        'print("a"); print_log(""); warnings.warn_explicit("b", kind, file, 1)'
    )
    here = dict(
        warnings=warnings,
        print_log=print_log,
        kind=UserWarning,
        __name__='my_hooks',
    )
    there = dict(here, __name__='pycocotools.coco', file='/x/mmdet/models.py')
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter('always')
        with overhearing(noted.append):
            exec(code, dict(here, file='my_hooks.py'))
            exec(code, there)
    assert capsys.readouterr().out == 'a\n\n'
    assert noted == ['a', '/x/mmdet/models.py: UserWarning: b']
    assert [warning.filename for warning in shown] == ['my_hooks.py']


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (ValueError('set a to b'), 'set a to b'),
        (TypeError('f() got x'), 'TypeError: f() got x'),
        (KeyError(), 'KeyError'),
        (
            RuntimeError('Caught ValueError in DataLoader worker 0.\n  at\n'
                         'ValueError: no picture\n'),
            'RuntimeError: ValueError: no picture',
        ),
        (
            torch.OutOfMemoryError('CUDA out of memory. Tried to\nmore'),
            'CUDA out of memory. Tried to: set train_dataloader.batch_size '
            'lower and',
        ),
    ],
)  # fmt: skip
def test_an_error_is_a_line(error, said):
    line = explain(error)
    assert line.startswith(said) and '\n' not in line


def test_a_place_is_no_lack_of_memory():
    said = 'no folder /dev/shm/pictures: give the folder of your data'
    assert explain(FileNotFoundError(said)) == said


def test_a_remedy_is_named():
    with pytest.raises(ValueError) as caught:
        nn.BatchNorm2d(3)(torch.ones(1, 3, 1, 1))
    assert 'set train_dataloader.batch_size to 2' in explain(caught.value)


def test_a_failure_ends_in_a_line_and_its_traceback_in_the_log(
    logger, tmp_path, capsys, monkeypatch
):
    others = []
    monkeypatch.setattr(sys, 'excepthook', lambda *a: others.append(a[1]))
    with pytest.raises(TypeError) as caught:
        len(3)
    report(caught.value, logger)
    other = RuntimeError("not a run's")
    for error in (caught.value, other):
        sys.excepthook(type(error), error, error.__traceback__)
    out, err = capsys.readouterr()
    log = tmp_path / 'run.log'
    assert out == ''
    assert err == f'error: {explain(caught.value)} (traceback in {log})\n'
    assert 'Traceback (most recent' in log.read_text()
    assert others == [other]


def test_a_run_says_what_it_is_and_where_it_fails(
    picture_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(sys, 'excepthook', sys.__excepthook__)
    cfg = bare(config(picture_folder, tmp_path))
    runner = ResilientRunner.from_cfg(cfg)
    step = runner.model.train_step

    def fails(*args, **kwargs):
        if runner.iter == 2:
            raise AssertionError('spoilt')
        return step(*args, **kwargs)

    runner.model.train_step = fails
    with pytest.raises(AssertionError) as caught:
        runner.train()
    schedule, *lines = capsys.readouterr().out.splitlines()
    assert schedule.startswith('warning: The schedule')
    names = ['model', 'pictures', 'training', 'start', 'device', 'log']
    assert [line.split()[0] for line in lines[:6]] == names
    assert (
        lines[2]
        .split(maxsplit=1)[1]
        .startswith('2 epochs of 3 steps, batch 8, AdamW, lr 0.001')
    )
    assert [line[:14] for line in lines[6:]] == [
        *('epoch 1/2, 1/3', 'epoch 1/2, 2/3')
    ]
    error = caught.value
    sys.excepthook(type(error), error, error.__traceback__)
    last = capsys.readouterr().err
    assert last.startswith('error: AssertionError: spoilt (traceback in ')
    (log,) = tmp_path.glob('*/*.log')
    assert 'in fails' in log.read_text()


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    here, there = os.openpty()
    with open(there, 'w') as file:
        console = Console(file=file, width=80)
        monkeypatch.setattr(rich, 'get_console', lambda: console)
        bar = ProgressBar(10)
        bar.show('epoch 1/2', 5, 'loss 0.1')
        bar.stop()
    printed = b''
    # A terminal that is closed ends in an error.
    with suppress(OSError):
        while part := os.read(here, 10_000):
            printed += part
    os.close(here)
    written = printed.decode()
    assert 'epoch 1/2' in written and '50%  loss 0.1' in written
    # It leaves nothing behind but a line to write on, and the cursor.
    assert written.endswith(('\x1b[2K', '\x1b[?25h'))
    console = Console(file=open(os.devnull, 'w'))  # noqa: SIM115
    assert not ProgressBar(10).is_drawn


def test_a_screen_that_is_gone_stops_no_run(monkeypatch):
    here, there = os.pipe()
    os.close(here)
    console = Console(file=os.fdopen(there, 'w'))
    # It would put something in the place of the tests' own.
    monkeypatch.setattr(os, 'dup2', lambda *_: None)
    monkeypatch.setattr(rich, 'get_console', lambda: console)
    say('unseen')
    say('too')


def test_main_figures():
    metrics = {'a/mAP': 0.5, 'a/mAP_50': 1, 'lists': [1], 'b': float('nan')}
    assert main_figures(metrics) == {'a/mAP': 0.5}
    assert main_figures(None) == {}


def test_a_picture_of_a_run_never_stops_it(tmp_path, caplog):
    def fails(*args):
        raise RuntimeError("shape '[6, 8]' is invalid")

    model = nn.Module()
    model.data_preprocessor = fails
    runner = SimpleNamespace(
        model=model,
        iter=0,
        work_dir=tmp_path,
        logger=logging.getLogger('panels'),
    )
    hook = PanelHook(dict(type='NoSuchDataset'))
    hook.before_train(runner)
    hook.batch = {}
    hook.draw(runner, 1)
    first, second = caplog.messages
    assert first.startswith('No panels: KeyError')
    assert second == "No panel: RuntimeError: shape '[6, 8]' is invalid"


def test_another_runner_overwrites_no_run(tmp_path):
    (tmp_path / 'epoch_2.pth').touch()
    runner = SimpleNamespace(iter=0, work_dir=tmp_path)
    with pytest.raises(FileExistsError, match='already holds a run'):
        AtomicCheckpointHook().before_train(runner)


def test_what_is_next_of_a_downstream_task(tmp_path):
    cfg = SimpleNamespace(
        filename='my.py',
        get=dict(data_root='my data', test_cfg={}).get,
    )
    runner = SimpleNamespace(model=nn.Module(), work_dir=tmp_path, cfg=cfg)
    title, judge, draw = RunSummaryHook._next(runner, 'best.pth')
    command = f"{tmp_path}/my.py best.pth --data 'my data'"
    assert title == 'Next:'
    assert judge.endswith(command)
    assert draw.endswith(f'{command} --show-dir {tmp_path}/predictions')


def test_what_is_next_runs_where_it_is_printed(tmp_path, monkeypatch):
    """Of a clone, and of an environment that is not active."""
    monkeypatch.setattr('shutil.which', lambda name: None)
    monkeypatch.chdir(ROOT)
    assert _tool('features') == 'python tools/extract_features.py'
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/test.py').touch()
    assert _tool('test') == f'{sys.executable} -m ccmim_tools test'
