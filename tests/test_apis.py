"""An encoder in memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, build
from hostile import EXECUTING
from mmengine.config import Config
from PIL import Image

import ccmim_mm
from ccmim_mm.apis import extract_features, load_encoder
from ccmim_mm.datasets import UnreadablePictureError

CONFIG = ROOT / 'tests/tiny_config.py'


@pytest.fixture(scope='module')
def encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp('encoder') / 'tiny.pth'
    torch.save(dict(state_dict=build(dict(TINY)).state_dict()), path)
    return load_encoder(CONFIG, str(path), device='cpu')


@pytest.fixture(scope='module')
def paths(picture_folder):
    return sorted((picture_folder / 'val').rglob('*.png'))[:3]


def test_a_picture_is_a_picture_however_it_comes(encoder, paths):
    expected = encoder.load(paths)
    assert expected.shape == (3, 3, 32, 32)
    opened = [Image.open(path) for path in paths]
    arrays = np.stack([np.asarray(image) for image in opened])
    for pictures in ([str(p) for p in paths], opened, list(arrays), arrays):
        assert torch.equal(encoder.load(pictures), expected)
    assert torch.equal(encoder.load(paths[0]), expected[:1])
    assert torch.equal(encoder.load(arrays[0]), expected[:1])
    with pytest.raises(TypeError, match='a int is no picture'):
        encoder.load([3])
    empty = np.zeros((0, 8, 3), np.uint8)
    for nothing in (empty, empty[None], Image.new('RGB', (8, 0))):
        with pytest.raises(ValueError, match='has no pixels'):
            encoder.load(nothing)
    with pytest.raises(UnreadablePictureError, match=r'none\.png'):
        encoder.load('none.png')


def test_features(encoder, paths):
    inputs = encoder.load(paths)
    found = encoder.features(inputs)
    assert {k: tuple(v.shape) for k, v in found.items()} == {
        'cls': (3, 32),
        'mean': (3, 32),
    }
    (patches,) = encoder.features(inputs, ['patches']).values()
    torch.testing.assert_close(patches.mean(1), found['mean'])
    with pytest.raises(ValueError, match='features cls, mean, and no colour'):
        encoder.features(inputs, ['colour'])
    (one,) = encoder.features(inputs, 'cls').values()
    assert torch.equal(one, found['cls'])


def test_features_of_a_folder_are_those_of_its_pictures(
    encoder, picture_folder, monkeypatch
):
    folder = picture_folder / 'val'
    expected = encoder.features(encoder.load(sorted(folder.rglob('*.png'))))
    monkeypatch.setattr('ccmim_mm.apis.encoder.BATCH_SIZE', 4)
    for pictures in (folder, str(folder), [folder / 'blue', folder / 'red']):
        found = encoder.features(pictures)
        for name in ('cls', 'mean'):
            torch.testing.assert_close(found[name], expected[name])
    one = encoder.features(sorted(folder.rglob('*.png'))[3], ['cls'])
    torch.testing.assert_close(one['cls'], expected['cls'][3:4])
    with pytest.raises(ValueError, match='no pictures'):
        encoder.features([])
    with pytest.raises(FileNotFoundError, match='no pictures below'):
        encoder.features(ROOT / 'ccmim_mm/models')


def test_two_lines_from_a_picture_to_an_answer(encoder, paths):
    loaded = ccmim_mm.load(CONFIG, device='cpu')
    loaded.model.load_state_dict(encoder.model.state_dict())
    found = loaded.features(Image.open(paths[0]))
    expected = encoder.features(encoder.load(paths[0]))
    assert torch.equal(found['cls'], expected['cls'])
    drawn = loaded.explain(paths, seed=3)
    assert torch.equal(drawn.mask, encoder.explain(paths, seed=3).mask)
    assert torch.equal(loaded.attention(paths), drawn.scores)


def test_a_config_has_a_name():
    named = ccmim_mm.load('ccmim_vit-tiny_demo', device='cpu')
    assert named.model.backbone.embed_dims == 128
    with pytest.raises(FileNotFoundError, match='no config ccmim_vit-z: nei'):
        ccmim_mm.load('ccmim_vit-z')


def test_patches_alone_are_encoded_once(encoder, paths, monkeypatch):
    seen = []
    model = encoder.model
    monkeypatch.setattr(
        model, 'extract_feat', lambda x: seen.append(x) or model.backbone(x)
    )
    encoder.features(encoder.load(paths), ['patches'])
    assert len(seen) == 1


def test_what_a_method_without_pixels_hides(paths):
    distil = load_encoder(ROOT / 'tests/tiny_teacher_config.py', device='cpu')
    told = distil.explain(distil.load(paths), seed=1)
    assert told.images is None
    assert told.mask.sum(1).tolist() == [6, 6, 6]
    assert torch.equal(told.scores, distil.attention(paths))


def test_what_it_sees(encoder, paths):
    inputs = encoder.load(paths)
    scores = encoder.attention(inputs)
    drawn = encoder.explain(inputs, seed=1)
    assert torch.equal(drawn.scores, scores)
    assert drawn.images.shape == inputs.shape
    assert torch.equal(encoder.explain(inputs, seed=1).mask, drawn.mask)
    assert not torch.equal(encoder.explain(inputs, seed=2).mask, drawn.mask)


def test_a_painted_mask(encoder, paths):
    inputs = encoder.load(paths)
    mask = torch.zeros(3, 16)
    mask[:, :4] = 1
    painted = encoder.explain(inputs, mask=mask)
    assert torch.equal(painted.mask, mask)
    # What is hidden is not looked at: other content, the same prediction of
    # its first four patches, but for each patch's own mean and spread.
    other = inputs.clone()
    other[:, :, :8] = torch.randn(3, 3, 8, 32)
    again = encoder.explain(other, mask=mask).images
    visible = (slice(None), slice(None), slice(8, None))
    torch.testing.assert_close(again[visible], painted.images[visible])
    mask[0, 5] = 1
    with pytest.raises(ValueError, match=r'these leave \[11, 12\]'):
        encoder.explain(inputs, mask=mask)
    with pytest.raises(ValueError, match='at least one'):
        encoder.explain(inputs, mask=torch.ones(3, 16))
    for other in (mask[:2], mask[0], mask[:, :9]):
        message = r'expected \(B, L\), here \(3, 16\)'
        with pytest.raises(ValueError, match=message):
            encoder.explain(inputs, mask=other)


def test_no_code_runs_by_the_way_of_a_config(tmp_path):
    path, trace = tmp_path / 'x.pth', tmp_path / 'executed'
    EXECUTING['exec'](dict(state_dict={}), path, trace)
    init = dict(type='Pretrained', checkpoint=str(path))
    options = {'model.backbone.init_cfg': init}
    with pytest.raises(ValueError, match='refused, it asks for exec'):
        load_encoder(CONFIG, None, options, device='cpu')
    assert not trace.exists()


def test_a_method_without_masks_says_so(paths):
    encoder = load_encoder(ROOT / 'tests/simclr_config.py', device='cpu')
    inputs = encoder.load(paths)
    assert encoder.features(inputs)['mean'].shape == (3, 512)
    with pytest.raises(ValueError, match='SimCLR has no attention scores'):
        encoder.attention(inputs)
    with pytest.raises(ValueError, match='SimCLR has no masks'):
        encoder.explain(inputs)


def test_features_are_those_that_there_are(picture_folder, tmp_path):
    """A residual network's map has its mean alone."""
    cfg = Config.fromfile(ROOT / 'tests/simclr_config.py')
    state = load_encoder(cfg, device='cpu').model.state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'simclr.pth')
    out = tmp_path / 'features.npz'
    folder = str(picture_folder / 'val')
    extract_features(cfg, str(tmp_path / 'simclr.pth'), folder, str(out))
    with np.load(out) as arrays:
        assert {k: v.shape[1:] for k, v in arrays.items()} == {
            'paths': (),
            'mean': (512,),
        }


def test_loading_is_quiet():
    """In a process of its own: no logger, no test's capture."""
    code = f"""
import ccmim_mm
from ccmim_mm.apis import load_encoder
load_encoder({str(CONFIG)!r}, device='cpu')
print('loaded')
"""
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'loaded\n'
