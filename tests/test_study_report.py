"""A study's report of little, or of nothing."""

import json

import pytest
from conftest import ROOT

from ccmim_tools.studies import expand, load_grid, select, write_report
from ccmim_tools.studies.records import DONE, write_record

TINY = ROOT / 'tests/tiny_grid.py'


def test_no_runs_no_report(tmp_path):
    with pytest.raises(FileNotFoundError, match='study run first'):
        write_report(load_grid(TINY), tmp_path / 'none', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_report_of_fine_tuning_alone_has_nothing_to_draw(tmp_path):
    """Of random weights too: no features were judged, nothing differs."""
    grid, root, out = load_grid(TINY), tmp_path / 'runs', tmp_path / 'out'
    (run,) = select(expand(grid), methods=['no_pretraining'])
    run.work_dir(root).mkdir(parents=True)
    write_record(run, root, tmp_path / 'data')
    point = {'iter': 3, 'accuracy/top1': 30.0}
    summary = dict(epochs=1, iterations=3, evaluations=[point])
    path = run.work_dir(root) / 'summary.json'
    path.write_text(json.dumps(summary))
    (run.work_dir(root) / DONE).touch()
    written = [out / 'results.csv', out / 'tables.md']
    assert write_report(grid, root, out) == written == sorted(out.iterdir())
    assert '| 30.0 (1) ' in written[1].read_text()
