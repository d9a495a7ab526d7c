"""The data set of docs/shards.md, run."""

import importlib.util
import re
import sys
import types

import numpy as np
import pytest
from conftest import ROOT
from odd_pictures import encoded
from test_datasets.test_pictures import PIPELINE

from ccmim_mm.datasets import SampleKey, Seeded, SeededSampler, fingerprint

ROWS = 6
INSTALLED = importlib.util.find_spec('pyarrow') is not None


class _Value:
    def __init__(self, value):
        self.as_py = lambda: value


class _Table:
    """Of pyarrow what the page asks for; it is not what pyarrow does."""

    num_rows = ROWS

    def __init__(self, rows):
        self.rows = rows

    def __getitem__(self, name):
        return [_Value(row[name]) for row in self.rows]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of pictures: Parquet where pyarrow is, else a stand-in."""
    rng = np.random.default_rng(0)
    rows = [
        dict(
            image=dict(
                bytes=encoded('PNG', rng.integers(0, 255, (40, 40, 3), 'u1')),
                path=f'{i}.png' if i else None,
            ),
            label=i % 2,
        )
        for i in range(ROWS)
    ]
    rows[3]['image']['bytes'] = b'no picture'
    path = str(tmp_path / 'x.parquet')
    if INSTALLED:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        parquet = types.ModuleType('pyarrow.parquet')
        parquet.read_table = lambda file, memory_map: _Table(rows)
        package = types.ModuleType('pyarrow')
        package.parquet = parquet
        monkeypatch.setitem(sys.modules, 'pyarrow', package)
        monkeypatch.setitem(sys.modules, 'pyarrow.parquet', parquet)
    return path


def test_the_table_of_the_page_is_exact_under_seeded(file):
    page = (ROOT / 'docs/shards.md').read_text()
    (code,) = re.findall(r'^```python\n(import.*?)^```$', page, re.M | re.S)
    names = {}
    exec(compile(code, 'docs/shards.md', 'exec'), names)
    table = names['PictureTable'](file=file, pipeline=PIPELINE)
    assert len(table) == ROWS
    data = Seeded(table)
    assert fingerprint(data) == f'x.parquet {ROWS}'
    info = data.get_data_info(0)
    assert info['img_path'] == f'{file}#0' and info['gt_label'] == 0
    sampler = SeededSampler(data, seed=1)
    keys = list(sampler)
    first = {key.index: data[key]['inputs'].numpy() for key in keys}
    for key in reversed(keys):
        assert np.array_equal(data[key]['inputs'], first[key.index])
    sample = data[SampleKey(1, 0, 3, (4,))]['data_samples']
    assert sample.img_path == f'{file}#4.png'
    (line,) = sample.unreadable
    assert line.startswith(f'{file}#3.png: ')
