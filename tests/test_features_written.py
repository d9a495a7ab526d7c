"""The file of features: whole or not there, and never over another's."""

import copy

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, build, load
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


@pytest.mark.parametrize('within', ['', '/maps'])
def test_features_and_attention_have_a_place_each(given, tmp_path, within):
    out = tmp_path / 'f.npz'
    with pytest.raises(ValueError, match=r'as .*f\.npz is to be a file: name'):
        extract_features(*given, str(out), attention_dir=f'{out}{within}')
    assert not out.exists()


def test_a_checkpoint_of_another_encoder_names_the_config_of_its_run(
    given, tmp_path
):
    """And no option that there is not."""
    (tmp_path / 'kept.py').touch()
    cfg = given[0]
    cfg.model.backbone.arch.num_layers = 2
    with pytest.raises(ValueError, match=r'tiny\.pth: .*unexplained') as told:
        extract_features(*given, str(tmp_path / 'f.npz'), num_workers=0)
    assert '--allow-partial' not in str(told.value)
    assert f'{tmp_path}/kept.py is the config of its run' in str(told.value)


@pytest.mark.parametrize(
    'name',
    ['segmentation/upernet_vit-tiny_demo', 'detection/mask-rcnn_vit-b_own'],
)
def test_what_is_not_of_whole_pictures_is_refused(given, tmp_path, name):
    cfg = load(name)
    message = r'-.*\.py is of detection or segmentation.*ccmim export --to pt2'
    with pytest.raises(ValueError, match=message):
        extract_features(cfg, *given[1:], str(tmp_path / 'f.npz'))


def test_what_normalises_may_stand_in_the_model(given, tmp_path):
    cfg, *rest = given
    arrays = []
    for name in ('a.npz', 'b.npz'):
        extract_features(cfg, *rest, str(tmp_path / name), num_workers=0)
        arrays.append(np.load(tmp_path / name)['cls'])
        cfg.model.data_preprocessor = cfg.pop('data_preprocessor', None)
    assert np.array_equal(*arrays)
