"""Encoders of other projects' checkpoints, and what leaves with them."""

import numpy as np
import plain_vit
import pytest
import torch
from PIL import ExifTags, Image

from ccmim_mm.encoders import Pixels, pictures, pixels_of, read_source
from ccmim_mm.export import export

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('encoder', ['online', 'momentum'])
def test_heads_of_moco_v3_are_not_guessed(encoder, tmp_path, monkeypatch):
    """Of mmpretrain's ViT-S, which tells none: 12, where others have 6."""
    monkeypatch.setattr(plain_vit, 'WIDTH', 384)
    state = plain_vit.as_project(plain_vit.random_vit())
    path = tmp_path / 'moco.pth'
    torch.save(state, path)
    assert read_source(path).shape.heads == 6
    average = {
        name.replace('backbone.', 'momentum_encoder.module.0.'): value
        for name, value in state.items()
    }
    torch.save(state | average, path)
    with pytest.raises(ValueError, match='nor does its width of 384: --conf'):
        read_source(path, encoder=encoder)


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A CLIP of three heads, and its file."""
    monkeypatch.setattr(plain_vit, 'WIDTH', 192)
    state = plain_vit.random_vit(clip=True)
    torch.save(plain_vit.as_clip(state, text=False), tmp_path / 'clip.pth')
    return state, tmp_path / 'clip.pth'


def test_a_clip_is_read_as_it_was_trained(clip):
    state, path = clip
    source = read_source(path)
    assert (source.form, source.shape.heads) == ('clip_visual', 3)
    inputs = torch.randn(2, 3, 32, 32)
    expected = plain_vit.forward(state, inputs, heads=3, clip=True, final=True)
    torch.testing.assert_close(
        source.network(inputs), expected, rtol=1e-4, atol=1e-4
    )
    pixels = pixels_of(source)
    assert pixels.size == pixels.resize == (32, 32)
    assert not pixels.assumed
    assert pixels.mean == (0.48145466, 0.4578275, 0.40821073)


@pytest.mark.parametrize('to', ['pt2', 'safetensors'])
def test_a_clip_is_carried_along(to, clip, tmp_path):
    out = tmp_path / f'out.{to}'
    outcome = export(clip[1], out, to)
    assert outcome.found < 1e-5
    assert outcome.facts.left_out == ['part (visual, 1 tensors, 960 values)']
    if to == 'safetensors':
        again, own = read_source(out), read_source(clip[1])
        assert again.shape == own.shape


@pytest.mark.parametrize('to', ['hf', 'hf-mae', 'timm'])
def test_a_clip_has_no_place_among_plain_vits(to, clip, tmp_path):
    with pytest.raises(ValueError, match=r'\(pre_norm\).* --to onnx, pt2 and'):
        export(clip[1], tmp_path / 'out', to)
    assert not (tmp_path / 'out').exists()


def test_what_a_wrapped_encoder_has_beside_is_left_behind(
    tmp_path, monkeypatch
):
    """DINO's of several processes, whose names are unwrapped."""
    monkeypatch.setattr(plain_vit, 'WIDTH', 192)
    state = plain_vit.as_dino(plain_vit.random_vit(), 'module.')
    torch.save(state, tmp_path / 'dino.pth')
    outcome = export(tmp_path / 'dino.pth', tmp_path / 'out.pt2', 'pt2')
    assert outcome.facts.left_out == ['head (head, 1 tensors, 576 values)']


def test_the_picture_is_read_as_the_encoder_reads_it(tmp_path):
    """A camera's rotation is undone."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16] = 255
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 3
    path = tmp_path / 'turned.png'
    Image.fromarray(pixels).save(path, exif=turned)
    half = (0.5, 0.5, 0.5)
    found = pictures(Pixels(half, half, (32, 32), (32, 32), False), path)
    assert found.shape == (3, 32, 32, 3)
    assert (found[0] == pixels[::-1, 8:40]).all()
