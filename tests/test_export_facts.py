"""What a card says of the data of a run."""

import copy

import pytest
import torch
from conftest import TINY, build
from mmengine.config import Config

from ccmim_mm.export.facts import facts_of
from ccmim_mm.export.source import read_source


@pytest.mark.parametrize(
    ('data_root', 'name'),
    [
        ('/somewhere/birds', 'birds'),
        ('/somewhere/birds/.', 'birds'),
        ('birds', 'birds'),
        ('https://host/shards/birds', 'birds'),
        ('.', None),
        ('..', None),
        ('birds/..', None),
        (None, None),
    ],
)
def test_a_folder_is_named_by_the_run_alone(
    data_root, name, tmp_path, monkeypatch
):
    """Whatever the folder is that the export is started in."""
    monkeypatch.chdir(tmp_path)
    # Which a run elsewhere has not seen.
    (tmp_path / 'other').mkdir()
    (tmp_path / 'birds').symlink_to('other')
    state = build(copy.deepcopy(TINY)).state_dict()
    path = tmp_path / 'tiny.pth'
    torch.save(dict(state_dict=state, meta=dict(heads={})), path)
    config = tmp_path / 'kept.py'
    Config(dict(model=copy.deepcopy(TINY), data_root=data_root)).dump(config)
    source = read_source(path, config)
    assert facts_of(source, ('backbone.',), None).data == name
