"""What a work dir holds: read once, by names that cost no import."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from run_helpers import a_run

from ccmim_mm.apis.curves import read_history
from ccmim_mm.run_files import last_named, read_summary
from ccmim_tools.run_files import run_files
from ccmim_tools.studies.transfer import figures_at


def test_the_names_are_read_without_the_package():
    code = (
        'import sys; from ccmim_tools.run_files import run_files; '
        "assert not {'torch', 'ccmim_mm'} & {*sys.modules}; "
        'import ccmim_mm.run_files as its; '
        'assert its.WRITTEN == run_files.WRITTEN'
    )
    paths = {**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT / "tools"}'}
    subprocess.run([sys.executable, '-c', code], check=True, env=paths)


def test_a_tool_without_the_package_says_so_in_one_line():
    code = (
        "import sys; sys.modules['ccmim_mm'] = None; "
        'import ccmim_tools.command_line'
    )
    paths = {**os.environ, 'PYTHONPATH': str(ROOT / 'tools')}
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, env=paths
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ') and 'ccmim_mm' in line


def read_by_a_tool(work_dir):
    """By the copy that a tool has."""
    return run_files.read_summary(work_dir, 'evaluations')


@pytest.mark.parametrize(
    'text',
    [
        *('', '{', '[]', 'null', '{}', '{"evaluations": [{}]}'),
        *('{"evaluations": null}', '{"evaluations": [3]}'),
    ],
)
def test_a_damaged_summary_is_named_whoever_reads_it(text, tmp_path):
    a_run(tmp_path)
    (tmp_path / 'summary.json').write_text(text)
    for read in (read_history, figures_at, read_by_a_tool):
        with pytest.raises(ValueError, match=r'summary\.json is damaged'):
            read(tmp_path)


def test_a_run_that_has_not_told_yet(tmp_path):
    assert read_summary(tmp_path, 'evaluations') is None
    assert figures_at(tmp_path) == {}
    text = json.dumps(dict(config='a.py'))
    (tmp_path / 'summary.json').write_text(text)
    assert read_summary(tmp_path) == dict(config='a.py')


def test_the_checkpoint_to_go_on_from_goes_by_its_name(tmp_path):
    assert last_named(tmp_path) == ''
    (tmp_path / 'last_checkpoint').write_text('/moved/epoch_2.pth\n')
    assert last_named(tmp_path) == 'epoch_2.pth'
