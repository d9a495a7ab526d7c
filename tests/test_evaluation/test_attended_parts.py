"""Where attention lies, and what a part of the picture tells by itself."""

import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from analysis_tools import attended_parts
from ccmim_mm.apis import PairsOfPictures, load_encoder

CONFIG = ROOT / 'tests/tiny_config.py'


@pytest.fixture(scope='module')
def encoder():
    torch.manual_seed(0)
    return load_encoder(CONFIG, device='cpu')


@pytest.fixture
def inputs():
    return torch.randn(
        5, 3, 32, 32, generator=torch.Generator().manual_seed(0)
    )


def test_parts_are_of_the_same_size(encoder):
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(6, 16, generator=generator)
    noise = torch.rand(6, 16, generator=generator)
    parts = attended_parts.choose_parts(encoder, scores, noise)
    assert parts.pop('whole') is None
    assert {part.shape for part in parts.values()} == {(6, 4)}
    order = scores.argsort(1)
    for name, expected in (
        ('most_attended', order[:, -4:]),
        ('least_attended', order[:, :4]),
        ('random', noise.argsort(1)[:, -4:]),
        # The release masks what scores - noise is highest of.
        ('own_mask', (scores - noise).argsort(1)[:, :4]),
    ):
        assert parts[name].sort(1)[0].equal(expected.sort(1)[0])


def test_even_attention_lies_as_patches_do(encoder, inputs):
    even = torch.full((5, 16), 0.1)
    places = attended_parts.describe_places(encoder, inputs, even)
    # 4 x 4 patches, 12 of them at the border.
    assert places['border'].tolist() == pytest.approx([0.75] * 5)


def test_places_of_one_patch(encoder, inputs):
    """All attention on one patch, the one that is not flat."""
    flat = torch.full_like(inputs, 0.3)
    flat[:, :, 8:16, 16:24] = inputs[:, :, 8:16, 16:24]
    scores = torch.zeros(5, 16)
    scores[:, 6] = 1
    places = attended_parts.describe_places(encoder, flat, scores)
    assert places['border'].tolist() == [0] * 5
    assert places['contrast'].tolist() == pytest.approx([16] * 5, rel=1e-4)


def test_norms_are_those_before_the_final_norm(encoder, inputs):
    backbone = encoder.model.backbone
    with torch.no_grad():
        x = backbone.embed(inputs)
        cls = backbone.cls_token + backbone.pos_embed[:, :1]
        x = torch.cat((cls.expand(5, -1, -1), x), 1)
        for layer in backbone.layers:
            x = layer(x)
        given = attended_parts.last_tokens(encoder, inputs)
    torch.testing.assert_close(given, x)
    assert not backbone.norm1._forward_pre_hooks
    scores = torch.zeros(5, 16)
    scores[:, 3] = 1
    places = attended_parts.describe_places(encoder, inputs, scores)
    norms = x[:, 1:].norm(dim=-1)
    torch.testing.assert_close(places['norm'], norms[:, 3] / norms.mean(1))


def test_the_whole_is_what_features_are(encoder):
    packed = torch.randint(0, 256, (70, 3, 32, 32), dtype=torch.uint8)
    pictures = PairsOfPictures(packed[:35], packed[35:], None)
    tokens, places = attended_parts.look(encoder, pictures, 0)
    cls = encoder.features(encoder.normalise(packed))['cls']
    torch.testing.assert_close(tokens['whole'], cls, atol=1e-5, rtol=1e-5)
    assert places['border'].shape == (70,)
    again, _ = attended_parts.look(encoder, pictures, 0)
    other, _ = attended_parts.look(encoder, pictures, 1)
    assert again['own_mask'].equal(tokens['own_mask'])
    assert not other['own_mask'].equal(tokens['own_mask'])


def test_the_command(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    data, out = tmp_path / 'data', tmp_path / 'parts.json'
    for part in ('train', 'val'):
        for number, name in enumerate(('dark', 'light')):
            folder = data / part / name
            folder.mkdir(parents=True)
            for i in range(20):
                pixels = rng.integers(0, 100, (32, 32, 3), np.uint8)
                pixels += np.uint8(150 * number)
                Image.fromarray(pixels).save(folder / f'{i}.png')

    def run(*options):
        paths = [str(CONFIG), '--json', str(out), '--device', 'cpu']
        monkeypatch.setattr('sys.argv', ['', *paths, *options])
        attended_parts.main()

    run('--random', '--data', str(data))
    printed = capsys.readouterr().out
    assert '40 pictures to fit on, 40 to judge by' in printed
    figures = json.loads(out.read_text())['random weights']
    assert figures['linear_whole'] == figures['linear_least_attended'] == 100
    assert len(figures) == 3 + 2 * 5
    for options, message in (
        (('--data', str(data)), 'name a checkpoint, or --random'),
        (('--random', '--data', str(data)), f'{out} exists'),
        (
            ('--random', '--data', str(data / 'train'), '--json', 'new'),
            '.* has no classes: name a folder with class folders',
        ),
    ):
        with pytest.raises(SystemExit, match=f'^error: {message}'):
            run(*options)
