"""The work dir of a run, and its config, as what another command starts of."""

import json
import logging
import shutil
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from run_helpers import bare, config

from ccmim_mm.apis import config_for_training
from ccmim_mm.encoders import config_of_checkpoint
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.work_dir import config_in, config_of
from ccmim_tools import cli
from ccmim_tools.start_up import work_dir_of

TINY = ROOT / 'tests/tiny_config.py'


def started(cfg, name):
    """A runner, as far as it gets before the first step."""
    cfg.experiment_name = name
    runner = ResilientRunner.from_cfg(bare(cfg))
    runner.check_input()
    runner._lock.release()
    return runner


def test_a_resumed_run_leaves_a_config_that_starts_afresh(
    picture_folder, tmp_path
):
    """As its command to go on does, also of configs that say otherwise."""
    run = tmp_path / 'run'
    cfg = bare(config(picture_folder, run, epochs=1))
    ResilientRunner.from_cfg(cfg).train()
    saved = str(run / 'epoch_1.pth')
    started(config(picture_folder, run, resume=saved), f'{run}resumed')
    kept = Config.fromfile(run / 'tiny_config.py')
    assert (kept.resume, kept.load_from) == (False, None)
    cfg = config_for_training(run, None, picture_folder, tmp_path / 'anew')
    assert not started(cfg, f'{run}anew')._load_from

    kept.resume, kept.load_from = True, str(run / 'epoch_0.pth')
    kept.dump(tmp_path / 'before.py')
    after = tmp_path / 'after'
    cfg = config_for_training(
        *(tmp_path / 'before.py', None, picture_folder, after),
        pretrained=saved,
    )
    runner = started(cfg, f'{run}after')
    assert (runner._load_from, runner._resume) == (saved, False)


def test_a_work_dir_goes_on_where_it_was_copied_to(picture_folder, tmp_path):
    run, moved = tmp_path / 'run', tmp_path / 'moved'
    cfg = bare(config(picture_folder, run, epochs=1))
    ResilientRunner.from_cfg(cfg).train()
    shutil.copytree(run, moved)
    # As a copy of `run/*` has it.
    (moved / '.lock').unlink()
    cfg = config_for_training(
        moved, None, picture_folder, resume='auto', epochs=2
    )
    assert Path(cfg.work_dir) == moved == work_dir_of([str(moved)])
    cfg.experiment_name = f'{moved}'
    assert ResilientRunner.from_cfg(bare(cfg)).train() is not None
    assert (moved / 'epoch_2.pth').exists()
    assert not (run / 'epoch_2.pth').exists()
    cfg = config_for_training(moved, work_dir=tmp_path / 'other')
    assert Path(cfg.work_dir) == tmp_path / 'other'
    cfg = config_for_training(moved, {'work_dir': str(tmp_path / 'third')})
    assert Path(cfg.work_dir) == tmp_path / 'third'


def test_a_folder_with_a_config_is_no_work_dir(tmp_path):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{TINY}'\n")
    assert config_for_training(tmp_path).work_dir == 'work_dirs/mine'
    # Nor is it marked where it is stopped before.
    assert work_dir_of([str(tmp_path)]) == Path('work_dirs/mine')


@pytest.mark.parametrize(
    'sign', ['.lock', 'summary.json', 'last_checkpoint', 'iter_8.pth', 'x.pth']
)
def test_a_run_is_told_alike_before_and_after_the_start(sign, tmp_path):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{TINY}'\n")
    (tmp_path / sign).touch()
    found = work_dir_of([str(tmp_path)])
    assert found == Path(config_for_training(tmp_path).work_dir)
    assert (found == tmp_path) == (sign != 'x.pth')


def test_what_a_config_loads_stays_without_another_start(tmp_path):
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = '{TINY}'\nload_from = 'x.pth'\nresume = True\n")
    cfg = config_for_training(mine)
    assert (cfg.load_from, cfg.resume) == ('x.pth', True)


@pytest.fixture
def two_names(tmp_path):
    """A work dir with two configs, whose summary names the second."""
    for name in ('a.py', 'b.py'):
        (tmp_path / name).write_text(f"model = dict(type='{name}')\n")
    (tmp_path / 'summary.json').write_text(json.dumps(dict(config='b.py')))
    return tmp_path


def test_of_two_configs_the_one_that_the_summary_names(two_names):
    assert config_in(two_names) == config_of(two_names) == two_names / 'b.py'
    cfg, work_dir = config_of_checkpoint(two_names / 'epoch_1.pth', None)
    assert (cfg.model.type, work_dir) == ('b.py', two_names)


@pytest.mark.parametrize('text', ['{}', '[]', '{', '{"config": []}', None])
def test_of_two_configs_none_is_taken_without_a_word(text, two_names, capsys):
    (two_names / 'last_checkpoint').write_text('epoch_1.pth')
    (two_names / 'summary.json').unlink()
    if text is not None:
        (two_names / 'summary.json').write_text(text)
    told = r'holds several configs \(a\.py, b\.py\)'
    with pytest.raises(ValueError, match=f'{told}: give one by its path'):
        config_of(two_names)
    assert config_of_checkpoint(two_names / 'epoch_1.pth', None) == (
        None,
        None,
    )
    assert '--config names one' in capsys.readouterr().out


def test_a_run_names_its_config(picture_folder, tmp_path):
    """A resume under another name too, and its numbers are kept then."""
    cfg = config(picture_folder, tmp_path, epochs=1)
    ResilientRunner.from_cfg(cfg).train()
    assert config_in(tmp_path) == tmp_path / 'tiny_config.py'
    other = tmp_path / 'elsewhere/other.py'
    other.parent.mkdir()
    other.write_text(f"_base_ = '{TINY}'\n")
    options = {'train_cfg.max_epochs': 2}
    cfg = config_for_training(
        other, options, picture_folder, tmp_path, resume='auto'
    )
    cfg.experiment_name = f'{tmp_path}other'
    ResilientRunner.from_cfg(cfg).train()
    assert len([*tmp_path.glob('*.py')]) == 2
    assert config_in(tmp_path) == tmp_path / 'other.py'


@pytest.fixture
def command(monkeypatch):
    """Run a command; the line that it ends with."""
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr('ccmim_tools.train.leave_when_asked', lambda _: None)

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['ccmim', *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    yield run
    logging.disable(logging.NOTSET)


def test_a_work_dir_is_a_config_for_training_and_benchmarks(tmp_path, command):
    (tmp_path / 'kept.py').write_text('model = dict(\n')
    place = f'error: {tmp_path}/kept.py, line 1: '
    assert command('train', tmp_path).startswith(place)
    for name in ('step', 'methods'):
        given = [tmp_path] if name == 'methods' else ['--config', tmp_path]
        line = command('bench', name, *given, '--device', 'cpu')
        assert line.startswith(place)
    (tmp_path / 'last_checkpoint').touch()
    assert work_dir_of([str(tmp_path), '--resume']) == tmp_path
    assert work_dir_of(['--epochs', '2', str(tmp_path)]) == tmp_path


@pytest.mark.parametrize(
    'arguments',
    [
        ['--data', '{code}', 'ccmim_vit-tiny_demo'],
        ['--data={code}', 'ccmim_vit-tiny_demo'],
        ['--verbose', 'configs/ccmim_vit-tiny_demo.py', '--seed', '0'],
        ['ccmim_vit-tiny_demo', '--teacher', '{code}'],
        ['--teacher', '{code}', '--cfg-options', 'a=b.py', '--verbose',
         'ccmim_mm::ccmim_vit-tiny_demo'],
    ],
)  # fmt: skip
def test_a_config_is_found_behind_options(arguments, tmp_path):
    """Folders that have Python in them too, as a teacher's may."""
    (tmp_path / 'modeling.py').touch()
    found = work_dir_of([text.format(code=tmp_path) for text in arguments])
    assert found == Path('work_dirs/ccmim_vit-tiny_demo')


def test_a_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    """As the training takes it."""
    monkeypatch.chdir(tmp_path)
    Path('ccmim_vit-b').mkdir()
    Path('ccmim_vit-b/kept.py').touch()
    found = work_dir_of(['ccmim_vit-b'])
    assert found == Path('work_dirs/ccmim_vit-b')


@pytest.mark.parametrize(
    'arguments',
    [['look', '{run}', '{run}'], ['export', '{run}', 'x', '--to', 'hf']],
)
def test_a_work_dir_is_no_checkpoint_and_names_its_newest(
    arguments, tmp_path, command
):
    run = tmp_path / 'moved'
    run.mkdir()
    arguments = [text.format(run=run) for text in arguments]
    assert command(*arguments) == f'error: no checkpoint {run}'
    torch.save({}, run / 'epoch_4.pth')
    (run / 'last_checkpoint').write_text('/old/epoch_4.pth')
    assert command(*arguments) == (
        f'error: no checkpoint {run}: the newest of this run is '
        f'{run}/epoch_4.pth'
    )
