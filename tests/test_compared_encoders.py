"""Analyses refuse what they cannot measure before they measure anything."""

from copy import deepcopy

import pytest
import torch
from conftest import ROOT, TINY, build

from analysis_tools import attended_parts, matches, mixtures

CONFIG = str(ROOT / 'tests/tiny_config.py')


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run an analysis that reads no pictures, on ``data``; files to write."""

    def load_pairs(*args):
        raise AssertionError('pictures were loaded')

    monkeypatch.setattr('ccmim_mm.apis.load_pairs', load_pairs)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data').mkdir()

    def start(analysis, *options, out='out'):
        name = '--out' if analysis is mixtures else '--json'
        common = ['--data', 'data', '--device', 'cpu', name, out]
        monkeypatch.setattr('sys.argv', ['', *options, *common])
        analysis.main()

    return start


@pytest.mark.parametrize('analysis', [attended_parts, matches, mixtures])
def test_a_broken_checkpoint_costs_no_figures_of_others(
    analysis, run, tmp_path, capsys
):
    torch.save(build(deepcopy(TINY)).state_dict(), tmp_path / 'good.pth')
    torch.save({'other': torch.zeros(2)}, tmp_path / 'bad.pth')
    with pytest.raises(SystemExit, match=r'^error: bad\.pth'):
        run(analysis, CONFIG, 'good.pth', 'bad.pth')
    assert 'good.pth:' not in capsys.readouterr().out
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('analysis', [attended_parts, matches, mixtures])
def test_a_place_that_takes_no_file_is_refused(analysis, run, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='as file takes no file'):
        run(analysis, CONFIG, '--random', out='file/in/it')


def test_a_method_that_does_not_mask_has_no_attended_parts(run):
    config = str(ROOT / 'tests/simclr_config.py')
    with pytest.raises(SystemExit, match=r'SimCLR has no attention scores: '):
        run(attended_parts, config, '--random')
