"""Weights that leave, and what goes with them."""

import json
import re
from importlib import metadata

import numpy as np
import plain_hf
import plain_vit
import pytest
import torch
import yaml
from conftest import ROOT, build
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.utils import dependency
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from ccmim_mm import _stack
from ccmim_mm.apis import load_encoder
from ccmim_mm.checkpoints import heads_of, read_as_project
from ccmim_mm.encoders import (
    Pixels,
    normalise,
    pictures,
)
from ccmim_mm.export import TARGETS, export, exporter
from ccmim_tools import export as tool

pytestmark = pytest.mark.slow

SUMMARY = dict(
    epochs=2,
    iterations=6,
    evaluations=[
        dict(iter=0, knn_cls=20.0, linear_mean=30.0),
        dict(iter=3, knn_cls=21.0, linear_mean=33.125),
        dict(iter=6, knn_cls=22.0, linear_mean=35.0),
    ],
)
PIXELS = Pixels(
    (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (32, 32), (32, 32), False
)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A work dir as a run leaves it, with its checkpoint of epoch 1."""
    place = tmp_path_factory.mktemp('run')
    cfg = Config.fromfile(ROOT / 'tests/tiny_config.py')
    cfg.data_root = str(place / 'private' / 'birds')
    cfg.work_dir = str(place)
    cfg.dump(place / 'tiny_config.py')
    (place / 'summary.json').write_text(json.dumps(SUMMARY))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = build(
            dict(
                **cfg.model.to_dict(),
                data_preprocessor=cfg.data_preprocessor.to_dict(),
            )
        )
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    meta = dict(epoch=1, iter=3, heads=heads_of(model))
    torch.save(
        dict(state_dict=model.state_dict(), meta=meta), place / 'epoch_1.pth'
    )
    return place / 'epoch_1.pth'


@pytest.fixture
def alone(monkeypatch):
    """No other library is installed."""
    monkeypatch.setattr(exporter, 'absent', lambda packages: [*packages])


@pytest.fixture(scope='module')
def expected(run):
    """Normalised pictures, and what the run's own encoder makes of them."""
    inputs = normalise(PIXELS, pictures(PIXELS, None))
    encoder = load_encoder(run.parent, str(run), device='cpu')
    with torch.no_grad():
        return inputs, encoder.model.backbone(inputs)[0]


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_folder_for_transformers(run, expected, alone, tmp_path):
    out = tmp_path / 'hf'
    outcome = export(run, out, 'hf')
    assert sorted(path.name for path in out.iterdir()) == [
        'README.md',
        'config.json',
        'model.safetensors',
        'preprocessor_config.json',
    ]
    state, cfg = plain_hf.read(out)
    assert cfg['architectures'] == ['ViTModel']
    assert cfg['layer_norm_eps'] == 1e-6
    inputs, tokens = expected
    close(plain_hf.encode(state, cfg, inputs), tokens)
    how = json.loads((out / 'preprocessor_config.json').read_text())
    assert how['size'] == {'shortest_edge': 32}
    assert how['crop_size'] == {'height': 32, 'width': 32}
    assert how['image_std'] == [0.229, 0.224, 0.225]
    assert 'NOT COMPARED: transformers is not installed' in str(outcome)
    assert 'pip install transformers' in str(outcome)


def test_with_the_decoder(run, expected, alone, tmp_path):
    outcome = export(run, tmp_path / 'mae', 'hf-mae')
    state, cfg = plain_hf.read(tmp_path / 'mae')
    assert cfg['mask_ratio'] == 0.75
    assert cfg['norm_pix_loss'] is True
    inputs, tokens = expected
    close(plain_hf.encode(state, cfg, inputs, prefix='vit.'), tokens)
    encoder = load_encoder(run.parent, str(run), device='cpu').model
    order = torch.rand(3, 16).argsort(1)
    latent = encoder.backbone.encode(
        encoder.backbone.embed(inputs), order[:, :4]
    )
    close(
        plain_hf.decode(state, cfg, latent, order),
        encoder.neck.predict_all(latent, order.argsort(1)),
    )
    (left,) = outcome.facts.left_out
    assert left.startswith('projector of the alignment (align_head, ')


def test_a_folder_for_timm(run, expected, alone, tmp_path):
    export(run, tmp_path / 'timm', 'timm')
    state = load_file(tmp_path / 'timm/model.safetensors')
    inputs, tokens = expected
    close(plain_vit.forward(state, inputs, final=True), tokens)
    cfg = json.loads((tmp_path / 'timm/config.json').read_text())
    assert cfg['model_args'] == dict(
        img_size=32,
        patch_size=8,
        in_chans=3,
        embed_dim=32,
        depth=3,
        num_heads=4,
        mlp_ratio=2.0,
    )
    assert cfg['pretrained_cfg']['input_size'] == [3, 32, 32]
    assert cfg['num_classes'] == 0


@pytest.mark.parametrize('to', ['hf', 'hf-mae', 'timm', 'safetensors'])
def test_and_back_to_the_bit(to, run, alone, tmp_path):
    out = tmp_path / f'out{TARGETS[to].suffix or ""}'
    export(run, out, to)
    own, found = read_as_project(run), read_as_project(out)
    kept = {n: v for n, v in own.state.items() if n in found.state}
    parts = {name.partition('.')[0] for name in kept}
    assert parts == ({'backbone', 'neck'} if to == 'hf-mae' else {'backbone'})
    for part in parts:
        names = {n for n in own.state if n.startswith(f'{part}.')}
        assert names <= found.state.keys()
    assert found.state.keys() == kept.keys()
    assert all(torch.equal(v, found.state[n]) for n, v in kept.items())
    assert found.heads.items() <= own.heads.items()
    assert found.heads['backbone.layers.0.attn'] == 4


@pytest.mark.parametrize('to', ['pt2', 'safetensors'])
def test_what_torch_alone_reads_is_compared(to, run, tmp_path):
    outcome = export(run, tmp_path / f'out.{to}', to)
    assert outcome.found < 1e-6
    assert 'the largest difference is' in str(outcome)
    assert (tmp_path / f'out.{to}.md').is_file()


def test_a_program_takes_any_number_of_pictures(run, expected, tmp_path):
    export(run, tmp_path / 'out.pt2', 'pt2')
    facts = {'ccmim_mm.json': ''}
    program = torch.export.load(tmp_path / 'out.pt2', extra_files=facts)
    inputs, tokens = expected
    for count in (1, 2, 3):
        close(program.module()(inputs[:count]), tokens[:count])
    assert json.loads(facts['ccmim_mm.json'])['method'] == 'CCMIM'


def test_the_card_says_what_it_was(run, alone, tmp_path):
    export(run, tmp_path / 'hf', 'hf', licence='cc-by-4.0')
    text = (tmp_path / 'hf/README.md').read_text()
    head = yaml.safe_load(text.split('---')[1])
    assert head['library_name'] == 'transformers'
    assert head['license'] == 'cc-by-4.0'
    assert head['pipeline_tag'] == 'image-feature-extraction'
    assert 'ccmim' in head['tags']
    assert (
        'with CCMIM on the folder `birds` for 1 of 2 epochs (3 iterations), '
        'by the config `tiny_config`'
    ) in text
    # Of the checkpoint's own iteration, beside the start.
    assert '| knn_cls | 20 | 21 |' in text
    assert '| linear_mean | 30 | 33.12 |' in text
    assert 'at iteration 3.' in text
    assert re.search(r'- decoder \(neck, \d+ tensors, [\d,]+ values\)', text)
    assert '- projector of the alignment (align_head, ' in text
    assert re.search(r"data_root ?= ?'birds'", text)
    # Where files lie is nobody's business.
    assert str(run.parent) not in text
    with safe_open(tmp_path / 'hf/model.safetensors', 'pt') as file:
        facts = json.loads(file.metadata()['ccmim_mm'])
    assert facts['data'] == 'birds'
    assert facts['epochs'] == 1
    assert facts['figures'][-1]['knn_cls'] == 21.0
    assert facts['licence'] == 'cc-by-4.0'
    assert len(facts['left_out']) == 2


def test_an_unknown_licence_is_said_to_be(run, alone, tmp_path):
    export(run, tmp_path / 'hf', 'hf')
    text = (tmp_path / 'hf/README.md').read_text()
    head = yaml.safe_load(text.split('---')[1])
    assert (head['license'], head['license_name']) == ('other', 'unknown')
    assert 'Unknown: nobody told when this was exported.' in text


def test_of_another_project_nothing_is_claimed(alone, tmp_path):
    state = plain_vit.as_timm(plain_vit.random_vit())
    torch.save(state, tmp_path / 'their.pth')
    with pytest.raises(ValueError, match='does not tell how many attention h'):
        export(tmp_path / 'their.pth', tmp_path / 'hf', 'hf')
    export(
        tmp_path / 'their.pth',
        tmp_path / 'hf',
        'hf',
        ROOT / 'tests/tiny_config.py',
    )
    text = (tmp_path / 'hf/README.md').read_text()
    assert 'None were at hand.' in text
    assert '- head (head, 1 tensors, 160 values)' in text
    assert 'for an unknown time' in text


def test_what_differs_is_not_left_behind(run, monkeypatch, tmp_path):
    monkeypatch.setattr(exporter, 'absent', lambda packages: [])
    monkeypatch.setattr(type(TARGETS['hf']), 'compare', lambda *args: 0.5)
    with pytest.raises(ValueError, match=r'differ by 0\.5, .*nothing was'):
        export(run, tmp_path / 'hf', 'hf')
    monkeypatch.setattr(
        type(TARGETS['pt2']), 'compare', lambda *args: float('nan')
    )
    with pytest.raises(ValueError, match='differ by nan'):
        export(run, tmp_path / 'out.pt2', 'pt2')
    assert not [*tmp_path.iterdir()]


def test_a_library_that_does_not_import_is_said(run, monkeypatch, tmp_path):
    def fails(*args):
        raise ImportError('it is broken\nin many lines')

    monkeypatch.setattr(exporter, 'absent', lambda packages: [])
    monkeypatch.setattr(type(TARGETS['timm']), 'compare', fails)
    outcome = export(run, tmp_path / 'timm', 'timm')
    assert 'NOT COMPARED: timm does not import: it is broken' in str(outcome)
    assert (tmp_path / 'timm/config.json').is_file()


@pytest.fixture(scope='module')
def densecl(tmp_path_factory):
    """A ResNet's checkpoint and its config, and a moving average."""
    place = tmp_path_factory.mktemp('densecl')
    cfg = Config.fromfile(ROOT / 'configs/densecl_resnet18_demo.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        backbone = MODELS.build(cfg.model.backbone)
    own = {f'backbone.{n}': v for n, v in backbone.state_dict().items()}
    average = {
        n.replace('backbone.', 'encoder_k.module.0.'): v * 1
        for n, v in own.items()
    }
    average['encoder_k.module.0.conv1.weight'] *= 2
    other = {'neck.mlp.0.weight': torch.zeros(3)}
    torch.save(dict(state_dict=own | average | other), place / 'densecl.pth')
    return place / 'densecl.pth', ROOT / 'configs/densecl_resnet18_demo.py'


@pytest.mark.parametrize('to', ['hf', 'timm', 'hf-mae'])
def test_a_resnet_has_no_place_among_vits(to, densecl, tmp_path):
    with pytest.raises(ValueError, match=r'a ResNet and no .*--to onnx and'):
        export(densecl[0], tmp_path / 'out', to, densecl[1])
    with pytest.raises(ValueError, match='--config names its config'):
        export(densecl[0], tmp_path / 'out', to)


def test_a_resnet_and_its_average(densecl, tmp_path):
    outcome = export(
        densecl[0], tmp_path / 'a.pt2', 'pt2', densecl[1], encoder='momentum'
    )
    assert outcome.found < 1e-5
    left = ' '.join(outcome.facts.left_out)
    assert 'encoder itself, of which this is the moving average' in left
    assert 'projector (neck, 1 tensors' in left
    export(densecl[0], tmp_path / 'b.safetensors', 'safetensors', densecl[1])
    own = load_file(tmp_path / 'b.safetensors')
    export(
        densecl[0],
        tmp_path / 'c.safetensors',
        'safetensors',
        densecl[1],
        encoder='momentum',
    )
    average = load_file(tmp_path / 'c.safetensors')
    name = 'backbone.conv1.weight'
    assert torch.equal(average[name], 2 * own[name])


def test_without_a_decoder_of_pixels(alone, tmp_path):
    torch.save(plain_vit.random_vit(), tmp_path / 'timm.pth')
    config = ROOT / 'tests/tiny_config.py'
    with pytest.raises(ValueError, match=r'no decoder .*--to hf writes the e'):
        export(tmp_path / 'timm.pth', tmp_path / 'out', 'hf-mae', config)


@pytest.mark.parametrize(
    ('backbone', 'message'),
    [
        (None, r'strange\.py names no model\.backbone'),
        (dict(type='NobodysViT'), r'strange\.py is not built: .*NobodysViT'),
        (dict(type='MaskedViT', colour=1), r'not built: .*colour'),
    ],
)
def test_a_config_that_names_no_encoder(backbone, message, run, tmp_path):
    cfg = Config(dict(model=dict(backbone=backbone)))
    cfg.dump(tmp_path / 'strange.py')
    out = tmp_path / 'out.pt2'
    with pytest.raises(ValueError, match=message):
        export(run, out, 'pt2', tmp_path / 'strange.py')


def test_norms_that_timm_has_not(run, alone, tmp_path):
    cfg = Config.fromfile(run.parent / 'tiny_config.py')
    cfg.model.backbone.norm_cfg = dict(type='LN', eps=1e-5)
    cfg.dump(tmp_path / 'eps.py')
    with pytest.raises(ValueError, match=r'norms of .* add 1e-05'):
        export(run, tmp_path / 'timm', 'timm', tmp_path / 'eps.py')
    export(run, tmp_path / 'hf', 'hf', tmp_path / 'eps.py')
    assert plain_hf.read(tmp_path / 'hf')[1]['layer_norm_eps'] == 1e-5


def test_a_config_that_merely_lies_there_is_not_run(run, tmp_path):
    (tmp_path / 'evil.py').write_text("raise SystemExit('I was run')")
    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(run.read_bytes())
    outcome = export(path, tmp_path / 'out.safetensors', 'safetensors')
    assert outcome.facts.method is None
    text = (tmp_path / 'out.safetensors.md').read_text()
    assert 'is not known here' in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['no.pth', 'OUT', '--to', 'hf'], r'error: no checkpoint no\.pth'),
        (['RUN', 'FULL', '--to', 'hf'], 'error: .*full exists and is left'),
        (['RUN', 'OUT', '--to', 'pt2'], r'error: .* name it .*out\.pt2'),
        (
            ['RUN', 'OUT.onnx', '--to', 'onnx'],
            'error: --to onnx needs onnx and onnxscript.*pip install onnx on',
        ),
        (
            ['RUN', 'OUT', '--to', 'hf', '--config', 'ccmim_vit-b'],
            'error: .*epoch_1.pth: .* same architecture.*--config names',
        ),
        (
            ['RUN', 'OUT', '--to', 'hf', '--picture', 'no.png'],
            r'error: no picture no\.png',
        ),
        (
            ['RUN', 'OUT', '--to', 'hf', '--license', 'MIT\nand more'],
            r'error: --license MIT\\nand more: give a short name',
        ),
    ],
)
def test_mistakes_cost_a_line(
    arguments, message, run, alone, tmp_path, monkeypatch
):
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/kept').touch()
    names = dict(RUN=run, FULL=tmp_path / 'full', OUT=tmp_path / 'out')
    names['OUT.onnx'] = tmp_path / 'out.onnx'
    with pytest.raises(SystemExit, match=message) as caught:
        tool.main([str(names.get(word, word)) for word in arguments])
    assert '\n' not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ['full']


def test_the_tool(run, picture_folder, tmp_path, capsys):
    picture = next((picture_folder / 'val').rglob('*.png'))
    out = tmp_path / 'out.pt2'
    tool.main([str(run), str(out), '--to', 'pt2', '--picture', str(picture)])
    printed = capsys.readouterr().out
    assert f'wrote {out}, {out}.md' in printed
    assert 'left behind: decoder (neck, ' in printed
    assert re.search(r'compared with torch [\d.]+.*difference is', printed)
    assert set(tool.TARGETS) == set(TARGETS)


def test_transformers_5_does_not_keep_mmpretrain_away(monkeypatch):
    monkeypatch.setattr(dependency, 'WITH_MULTIMODAL', True)
    monkeypatch.setattr(metadata, 'version', lambda name: '4.57.6')
    _stack.leave_out_text_models()
    assert dependency.WITH_MULTIMODAL
    monkeypatch.setattr(metadata, 'version', lambda name: '5.24.0')
    _stack.leave_out_text_models()
    assert not dependency.WITH_MULTIMODAL


@pytest.mark.parametrize(
    ('to', 'library', 'most'),
    [
        ('hf', 'transformers', 1e-6),
        ('hf-mae', 'transformers', 1e-6),
        ('timm', 'timm', 1e-6),
        ('onnx', 'onnxruntime', 1e-4),
    ],
)
def test_the_other_library_agrees(to, library, most, run, tmp_path):
    pytest.importorskip(library)
    if to == 'onnx':
        pytest.importorskip('onnxscript')
    out = tmp_path / f'out{TARGETS[to].suffix or ""}'
    assert export(run, out, to).found <= most


def test_transformers_makes_the_same_pixels(run, tmp_path):
    transformers = pytest.importorskip('transformers')
    export(run, tmp_path / 'hf', 'hf')
    processor = transformers.AutoImageProcessor.from_pretrained(
        tmp_path / 'hf'
    )
    images = pictures(PIXELS, None)
    found = processor(
        [Image.fromarray(np.ascontiguousarray(image)) for image in images],
        return_tensors='pt',
    )['pixel_values']
    close(found, normalise(PIXELS, images))
