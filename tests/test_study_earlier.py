"""Reports that take in the tables of earlier ones."""

import pandas as pd
import pytest
from conftest import ROOT

from ccmim_tools.studies import load_grid, write_report
from ccmim_tools.studies.results import COLUMNS
from ccmim_tools.study import main

STUDIES = ROOT / 'docs/study'


@pytest.mark.parametrize(
    'grid, table',
    [
        ('tiny', 'results.csv'),
        ('masks', 'masks.csv'),
        ('small', 'small.csv'),
        ('photographs', 'photographs_curves.csv'),
        ('demo', 'demo.csv'),
        ('transfer', 'photographs.csv'),
        ('dense', 'dense.csv'),
        ('family', 'family.csv'),
    ],
)
def test_a_committed_table_makes_its_report_again(grid, table, tmp_path):
    """Every run of it is one of the grid, and no figure is lost."""
    loaded = load_grid(ROOT / f'configs/study/grid_{grid}.py')
    written = write_report(
        loaded, tmp_path / 'no_runs', tmp_path / 'out', [STUDIES / table]
    )
    before = pd.read_csv(STUDIES / table)
    name = 'transfer.csv' if 'transfer' in before else 'results.csv'
    after = pd.read_csv(tmp_path / 'out' / name)
    key = ['dataset', 'method', 'seed']
    key += ['transfer', 'figure'] if 'transfer' in before else ['iteration']
    pd.testing.assert_frame_equal(
        after[before.columns].sort_values(key, ignore_index=True),
        before.sort_values(key, ignore_index=True),
        check_dtype=False,
    )
    pictures = [path for path in written if path.suffix == '.png']
    assert bool(pictures) == (name == 'results.csv')


def write(path, *rows):
    table = pd.DataFrame(rows, columns=[*COLUMNS[:6], 'knn_cls'])
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def report(tmp_path):
    """Report on the tiny grid, of tables alone; its rows."""

    def run(*tables):
        arguments = ['--work-dir', str(tmp_path / 'no_runs')]
        arguments += ['--out', str(tmp_path / 'out'), '--earlier']
        grid = str(ROOT / 'tests/tiny_grid.py')
        main(['report', grid, *arguments, *map(str, tables)])
        return pd.read_csv(tmp_path / 'out/results.csv')

    return run


def test_the_first_table_counts_and_the_grid_orders(report, tmp_path):
    first = write(tmp_path / 'a.csv', ('pictures', 'ccmim', 0, 0, 0, 0, 10.0))
    second = write(
        tmp_path / 'b.csv',
        ('pictures', 'mae', 0, 0, 0, 0, 30.0),
        ('pictures', 'mae', 0, 2, 8, 32, 31.0),
        ('pictures', 'ccmim', 0, 0, 0, 0, 20.0),
        ('pictures', 'ccmim', 0, 2, 8, 32, 21.0),
    )
    rows = report(first, second)
    assert [*rows['method']] == ['ccmim', 'mae', 'mae']
    assert [*rows['knn_cls']] == [10.0, 30.0, 31.0]
    assert [*report(second, first)['knn_cls']] == [20.0, 21.0, 30.0, 31.0]


def test_other_tables_are_refused(report, tmp_path):
    other = write(tmp_path / 'a.csv', ('eurosat', 'mae', 0, 0, 0, 0, 10.0))
    with pytest.raises(SystemExit, match=r'a\.csv has 1 runs .* eurosat mae'):
        report(other)
    pd.DataFrame(dict(x=[1])).to_csv(tmp_path / 'x.csv')
    with pytest.raises(SystemExit, match=r'x\.csv is neither results\.csv'):
        report(tmp_path / 'x.csv')
    with pytest.raises(SystemExit, match=r'none\.csv'):
        report(tmp_path / 'none.csv')
    (tmp_path / 'empty.csv').touch()
    with pytest.raises(SystemExit, match=r'empty\.csv'):
        report(tmp_path / 'empty.csv')
    assert not (tmp_path / 'out').exists()
