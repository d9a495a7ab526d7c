"""The notebook runs, and what is stored of its outputs can be shown."""

import json
import math
import re

import matplotlib.pyplot as plt
import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

PATH = ROOT / 'docs/pictures_to_transfer.ipynb'
#: In the place of what the first cell says.
SHORT = dict(TRAIN_SCENES=32, VAL_SCENES=12, EPOCHS=1, FINE_TUNING_EPOCHS=1)


def cells(kind):
    """Cells of a kind, in order."""
    content = json.loads(PATH.read_text())
    return [cell for cell in content['cells'] if cell['cell_type'] == kind]


@pytest.fixture
def _no_window():
    plt.switch_backend('agg')
    yield
    plt.close('all')


@pytest.mark.usefixtures('_no_window')
def test_it_runs_cut_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *others = (''.join(cell['source']) for cell in cells('code'))
    for name, value in SHORT.items():
        first, count = re.subn(
            rf'^{name} = \d+$', f'{name} = {value}', first, flags=re.M
        )
        assert count == 1
    left = {}
    for code in (first, *others):
        exec(compile(code, PATH.name, 'exec'), left)
    assert [path.name for path in tmp_path.iterdir()] == [PATH.stem]
    assert left['checkpoint'].is_file()
    assert (left['FOLDER'] / 'pre-training/curves.png').is_file()
    assert left['features']['cls'].shape == (12, 128)
    assert left['seen'].mask.sum() == 6 * 48
    figures = [*left['neighbours'].values(), *left['accuracies'].values()]
    assert len(figures) == 4
    assert all(0 <= figure <= 100 for figure in figures)
    assert len(plt.get_fignums()) == 3


def test_what_is_stored_can_be_shown():
    """Pictures and text of a whole run, in order, of no machine."""
    assert PATH.stat().st_size < 600_000
    pictures, texts = 0, []
    for number, cell in enumerate(cells('code'), 1):
        assert cell['execution_count'] == number
        for output in cell['outputs']:
            assert output['output_type'] in ('stream', 'display_data')
            pictures += 'image/png' in output.get('data', ())
            texts += output.get('text', ()) or output['data']['text/plain']
    assert pictures == 3
    said = ''.join(texts)
    assert not re.search(r'(^|[\s\'"(=])/\w|Traceback|Warning', said)
    for name in ('pre-trained', 'fine-tuned from the checkpoint'):
        value = float(re.search(rf'{name}: ([\d.]+) %', said)[1])
        assert 0 <= value <= 100 and math.isfinite(value)
