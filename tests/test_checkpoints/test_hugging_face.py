"""ViT, ViTMAE, DINO and DINOv2 by the names that others give them."""

import json

import plain_hf
import plain_vit
import pytest
import torch
from conftest import ROOT, build
from safetensors.torch import save_file
from stopped_runs import same

from ccmim_mm.apis import config_for_training, load_encoder
from ccmim_mm.checkpoints import (
    convert,
    detect_format,
    read_as_project,
    read_told,
)
from ccmim_tools import convert_checkpoint

CONFIG = ROOT / 'tests/tiny_config.py'
VIT = dict(
    model_type='vit',
    hidden_act='gelu',
    layer_norm_eps=1e-6,
    image_size=32,
    patch_size=8,
    num_hidden_layers=3,
    num_attention_heads=4,
)
MAE = VIT | dict(
    model_type='vit_mae',
    decoder_num_hidden_layers=2,
    decoder_num_attention_heads=2,
)


@pytest.fixture
def model(tiny_cfg):
    """A method whose every tensor matters."""
    model = build(tiny_cfg).eval()
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data += 0.1 * noise
    return model


def folder(path, state, cfg):
    path.mkdir()
    save_file(state, path / 'model.safetensors')
    (path / 'config.json').write_text(json.dumps(cfg))
    return path


def test_names_are_those_of_transformers_4(model):
    state = convert(model.state_dict(), 'project', 'hf').state
    first = {n for n in state if not n.startswith('encoder.layer')}
    assert first == {
        'embeddings.cls_token',
        'embeddings.position_embeddings',
        'embeddings.patch_embeddings.projection.weight',
        'embeddings.patch_embeddings.projection.bias',
        'layernorm.weight',
        'layernorm.bias',
    }
    layer = 'encoder.layer.2.'
    assert {n.removeprefix(layer) for n in state if n.startswith(layer)} == {
        f'{part}.{leaf}'
        for leaf in ('weight', 'bias')
        for part in (
            'attention.attention.query',
            'attention.attention.key',
            'attention.attention.value',
            'attention.output.dense',
            'intermediate.dense',
            'output.dense',
            'layernorm_before',
            'layernorm_after',
        )
    }
    assert len(state) == 6 + 3 * 16


def test_a_plain_vit_of_these_names_has_the_same_tokens(model):
    converted = convert(model.state_dict(), 'project', 'hf')
    images = torch.randn(2, 3, 32, 32)
    found = plain_hf.encode(converted.state, VIT, images)
    (expected,) = model.backbone(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert 'neck.mask_token' in converted.left_out
    assert not [n for n in converted.left_out if n.startswith('backbone.')]


def test_a_plain_mae_of_these_names_predicts_the_same(model):
    state = convert(model.state_dict(), 'project', 'hf_mae').state
    images, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    order = noise.argsort(1)
    seen = order[:, :4]
    latent = plain_hf.encode(state, MAE, images, seen, 'vit.')
    ours = model.backbone.encode(model.backbone.embed(images), seen)
    torch.testing.assert_close(latent, ours, rtol=1e-4, atol=1e-5)
    expected = model.neck.predict_all(ours, order.argsort(1))
    found = plain_hf.decode(state, MAE, latent, order)
    # Two encodings apart already: 1.3e-5 was seen on one of two machines.
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=3e-5)


@pytest.mark.parametrize(
    ('form', 'cfg', 'parts'),
    [('hf', VIT, ('backbone.',)), ('hf_mae', MAE, ('backbone.', 'neck.'))],
)
def test_a_folder_becomes_ours_to_the_bit(form, cfg, parts, model, tmp_path):
    own = {n: v for n, v in model.state_dict().items() if n.startswith(parts)}
    state = convert(own, 'project', form).state
    assert detect_format(state) == form
    found = read_as_project(folder(tmp_path / 'hf', state, cfg))
    assert found.form == form
    assert same(dict(found.state), own)
    heads = {f'backbone.layers.{i}.attn': 4 for i in range(3)}
    if form == 'hf_mae':
        heads |= {f'neck.decoder_blocks.{i}.attn': 2 for i in range(2)}
    assert found.heads == heads


def test_a_mae_that_transformers_5_has_saved(model):
    state = convert(model.state_dict(), 'project', 'hf_mae').state
    saved = {
        n.replace('decoder_layers.', 'decoder_encoder.layer.'): v
        for n, v in state.items()
    }
    assert saved.keys() != state.keys()
    assert detect_format(saved) == 'hf_mae'
    found = convert(saved, 'hf_mae', 'project').state
    assert same(found, convert(state, 'hf_mae', 'project').state)
    assert 'neck.decoder_blocks.1.attn.qkv.weight' in found


def test_of_a_classifier_the_encoder_is_taken(model, tmp_path):
    own = convert(model.state_dict(), 'project', 'hf').state
    state = {f'vit.{name}': value for name, value in own.items()}
    state |= {
        'vit.pooler.dense.weight': torch.zeros(32, 32),
        'classifier.weight': torch.zeros(5, 32),
    }
    found = read_as_project(folder(tmp_path / 'hf', state, VIT))
    assert same(dict(found.state), convert(own, 'hf', 'project').state)
    left_out = convert(state, 'hf', 'project').left_out
    assert left_out == ['pooler.dense.weight', 'classifier.weight']


def test_what_nothing_explains_is_refused(model):
    state = convert(model.state_dict(), 'project', 'hf').state
    deit = state | {'embeddings.distillation_token': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'1 of .*distillation_token'):
        convert(deit, 'hf', 'project')
    del state['encoder.layer.1.attention.attention.key.bias']
    with pytest.raises(ValueError, match=r'unexplained: encoder\.layer\.1\.'):
        convert(state, 'hf', 'project')


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (VIT | dict(model_type='swin'), "type 'swin': of transformers vit an"),
        (VIT | dict(hidden_act='relu'), "hidden_act 'relu', and this encoder"),
        ([], 'broken: no dict'),
    ],
)
def test_another_model_is_refused(cfg, message, model, tmp_path):
    state = convert(model.state_dict(), 'project', 'hf').state
    with pytest.raises(ValueError, match=message):
        read_told(folder(tmp_path / 'hf', state, cfg))


def test_a_folder_without_one_file_of_weights_is_refused(tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps(VIT))
    with pytest.raises(FileNotFoundError, match=r'no model\.safetensors or'):
        read_told(tmp_path)
    (tmp_path / 'model.safetensors.index.json').touch()
    with pytest.raises(FileNotFoundError, match='save them as one, by save_p'):
        read_told(tmp_path)


def test_other_heads_than_the_models_are_refused(model, tmp_path):
    state = convert(model.state_dict(), 'project', 'hf').state
    cfg = VIT | dict(num_attention_heads=8)
    with pytest.raises(ValueError, match='has 4 heads here and 8'):
        load_encoder(CONFIG, str(folder(tmp_path / 'hf', state, cfg)))


def test_a_folder_goes_wherever_a_checkpoint_does(model, tmp_path, capsys):
    state = convert(model.state_dict(), 'project', 'hf').state
    path = str(folder(tmp_path / 'hf', state, VIT))
    assert config_for_training(CONFIG, pretrained=path).pretrained == path
    images = torch.randn(2, 3, 32, 32)
    encoder = load_encoder(CONFIG, path, device='cpu')
    expected = model.backbone(images)[0][:, 0]
    assert torch.equal(encoder.features(images)['cls'], expected)
    convert_checkpoint.main([path, str(tmp_path / 'ours.pth')])
    assert 'hf -> project' in capsys.readouterr().out
    again = read_as_project(tmp_path / 'ours.pth')
    own = {n: v for n, v in model.state_dict().items() if 'backbone.' in n}
    assert same(dict(again.state), own)
    assert again.heads['backbone.layers.0.attn'] == 4


def scaled(state):
    """A DINOv2: layer scale, and a token for masked patches of (1, C)."""
    state = dict(state, mask_token=torch.zeros(1, plain_vit.WIDTH))
    for i in range(plain_vit.DEPTH):
        for scale in ('ls1', 'ls2'):
            name = f'blocks.{i}.{scale}.gamma'
            state[name] = torch.linspace(0.5, 1.5, plain_vit.WIDTH) + i
    return state


def folded(state):
    """The same function without layer scale."""
    plain = {n: v for n, v in state.items() if 'gamma' not in n}
    for i in range(plain_vit.DEPTH):
        for scale, part in (('ls1', 'attn.proj'), ('ls2', 'mlp.fc2')):
            gamma = state[f'blocks.{i}.{scale}.gamma']
            name = f'blocks.{i}.{part}'
            plain[f'{name}.weight'] = (
                torch.diag(gamma) @ plain[f'{name}.weight']
            )
            plain[f'{name}.bias'] = gamma * plain[f'{name}.bias']
    return plain


def in_chunks(state):
    """A training checkpoint of DINOv2, whose blocks lie in chunks."""
    renamed = {}
    for name, value in state.items():
        if name.startswith('blocks.'):
            number = int(name.split('.')[1])
            name = name.replace('blocks.', f'blocks.{number // 2}.', 1)
        renamed[f'backbone.{name}'] = value
    heads = {
        'dino_head.mlp.0.weight': torch.zeros(2),
        'ibot_head.mlp.0.weight': torch.zeros(2),
    }
    return dict(teacher=renamed | heads, iteration=3)


@pytest.mark.parametrize('whole', [False, True], ids=['encoder', 'training'])
def test_dinov2_becomes_ours(whole, tmp_path, tiny_cfg):
    state = scaled(plain_vit.random_vit())
    path = tmp_path / 'dinov2.pth'
    torch.save(in_chunks(state) if whole else state, path)
    images = torch.randn(2, 3, 32, 32)
    expected = plain_vit.forward(folded(state), images, final=True)
    assert read_as_project(path).form == ('dino' if whole else 'timm')
    encoder = load_encoder(CONFIG, str(path), device='cpu')
    (found,) = encoder.model.backbone(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['register_tokens', 'reg_token'])
def test_registers_are_refused(name):
    state = plain_vit.random_vit() | {name: torch.zeros(1, 4, 32)}
    with pytest.raises(ValueError, match=r'registers .*trained without them'):
        convert(state, 'timm', 'project')
