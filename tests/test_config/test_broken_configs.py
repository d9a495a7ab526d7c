"""Configs that cannot be read, or lack what a tool needs: a line each."""

import logging
import sys

import pytest
from conftest import ROOT

from analysis_tools import attended_parts, mixtures
from ccmim_tools import cli

TOOLS = [
    ['train', '{config}'],
    ['test', '{config}', 'LICENSE'],
    ['features', '{config}', 'LICENSE', 'docs', 'no.npz'],
    ['plan', '{config}'],
    ['export', 'LICENSE', 'no.pth', '--to', 'timm', '--config', '{config}'],
    ['bench', 'step', '--config', '{config}', '--device', 'cpu'],
    ['bench', 'methods', '{config}', '--device', 'cpu'],
    ['study', 'run', '{config}', '--dry-run'],
]


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """Run a tool on a config of a text; the line that it ends with."""
    monkeypatch.chdir(ROOT)
    # What a tool sets, it may set for good.
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr('ccmim_tools.train.leave_when_asked', lambda _: None)

    def run(tool, text):
        config = tmp_path / 'mine.py'
        config.write_text(text)
        command = [part.format(config=config) for part in tool]
        monkeypatch.setattr(sys, 'argv', ['ccmim', *command])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        (line,) = ended.value.code.splitlines()
        return line

    yield run
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize('tool', TOOLS, ids=lambda tool: ' '.join(tool[:2]))
def test_what_is_no_python_is_named_with_its_line(refusal, tool, tmp_path):
    line = refusal(tool, 'seeds = [0]\nmodel = dict(\n')
    assert line.startswith(f'error: {tmp_path}/mine.py, line 2: ')


def test_a_base_that_is_no_python_is_named_with_its_line(refusal, tmp_path):
    (tmp_path / 'base.py').write_text('model = 1\n\nlr = = 2\n')
    line = refusal(['train', '{config}'], "_base_ = 'base.py'\n")
    assert line.startswith(f'error: {tmp_path}/base.py, line 3: ')


def test_a_base_that_has_no_folder_is_told_how_to_write_it(refusal, tmp_path):
    text = "_base_ = 'ccmim_mm::ccmim_vit-b.py'\n"
    line = refusal(['train', '{config}'], text)
    assert line.startswith(f'error: {tmp_path}/mine.py: a base PACKAGE::NAME')
    assert 'write ccmim_mm::configs/NAME.py' in line


def test_an_import_that_is_no_python_is_named_with_its_line(
    refusal, tmp_path, monkeypatch
):
    (tmp_path / 'no_python_parts.py').write_text('x = 1\ny = (\n')
    monkeypatch.syspath_prepend(tmp_path)
    line = refusal(
        ['plan', '{config}'],
        "custom_imports = dict(imports=['no_python_parts'])\n",
    )
    assert line.startswith(f'error: {tmp_path}/no_python_parts.py, line 2: ')


@pytest.mark.parametrize('tool', TOOLS, ids=lambda tool: ' '.join(tool[:2]))
def test_what_is_imported_and_not_there_is_named(refusal, tool, tmp_path):
    line = refusal(tool, "custom_imports = dict(imports=['no_such_parts'])\n")
    assert line.startswith(f'error: {tmp_path}/mine.py imports what is not ')
    assert "No module named 'no_such_parts'" in line
    assert 'PYTHONPATH' in line and '[study]' not in line


@pytest.mark.parametrize('analysis', [attended_parts, mixtures])
def test_analyses_name_what_is_imported_and_not_there(
    analysis, tmp_path, monkeypatch
):
    config = tmp_path / 'mine.py'
    config.write_text("custom_imports = dict(imports=['no_such_parts'])\n")
    out = '--out' if analysis is mixtures else '--json'
    options = ['--random', '--data', str(tmp_path), out, str(tmp_path / 'x')]
    monkeypatch.setattr(sys, 'argv', ['', str(config), *options])
    with pytest.raises(SystemExit, match=r"^error: .*'no_such_parts'"):
        analysis.main()


@pytest.mark.parametrize('name', ['model', 'train_dataloader'])
def test_a_plan_names_what_a_config_lacks(refusal, name, tmp_path):
    base = f"_base_ = '{ROOT}/tests/tiny_config.py'\n"
    line = refusal(['plan', '{config}'], f'{base}{name} = None\n')
    assert line.startswith(f'error: {tmp_path}/mine.py has no {name}: ')
