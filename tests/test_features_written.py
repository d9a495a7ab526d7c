"""The file of features: whole or not there, and never over another's."""

import copy

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, build
from mmengine.config import Config
from odd_pictures import encoded

from ccmim_mm.apis import extract_features, load_encoder


@pytest.fixture
def given(tmp_path):
    """A config, a checkpoint, and a folder of a picture."""
    data, path = tmp_path / 'data', tmp_path / 'tiny.pth'
    data.mkdir()
    (data / 'a.png').write_bytes(encoded('PNG'))
    state = build(copy.deepcopy(TINY)).state_dict()
    torch.save(dict(state_dict=state), path)
    cfg = Config.fromfile(ROOT / 'tests/tiny_config.py')
    return cfg, str(path), str(data)


def test_features_are_written_whole_or_not_at_all(
    given, tmp_path, monkeypatch
):
    out = tmp_path / 'out' / 'f.npz'
    args = *given, str(out)

    def interrupted(file, **arrays):
        file.write(b'half')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('numpy.savez', interrupted)
        with pytest.raises(KeyboardInterrupt):
            extract_features(*args, num_workers=0)
    assert not [*out.parent.iterdir()]
    assert extract_features(*args, num_workers=0) == 1
    assert np.load(out)['paths'].tolist() == ['a.png']
    assert [*out.parent.iterdir()] == [out]


def test_features_go_nowhere_that_is_taken(given, tmp_path, monkeypatch):
    """Known before a picture is encoded, and after."""
    out = tmp_path / 'f.npz'
    with pytest.raises(OSError, match=r'sub/f\.npz cannot be written, as '):
        extract_features(*given, f'{given[1]}/sub/f.npz', num_workers=0)

    def load(*loaded):
        out.write_text("another's")
        return load_encoder(*loaded)

    monkeypatch.setattr('ccmim_mm.apis.features.load_encoder', load)
    with pytest.raises(FileExistsError, match='left untouched'):
        extract_features(*given, str(out), num_workers=0)
    assert out.read_text() == "another's"
