import argparse
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import plain_vit
import pytest
import reference
import torch
from conftest import ROOT, build, samples
from mmpretrain.models import VisionTransformer
from stopped_runs import same

from ccmim_mm.checkpoints import (
    convert,
    detect_format,
    heads_of,
    read_as_project,
    read_state_dict,
    save_state_dict,
)
from ccmim_mm.models.loading import load_pretrained
from ccmim_tools import convert_checkpoint

TOOL = ROOT / 'tools/convert_checkpoint.py'


@pytest.fixture
def release(tmp_path):
    """A checkpoint as the release writes it, command line included."""
    torch.manual_seed(0)
    state = reference.random_state()
    args = argparse.Namespace(lr=1e-3, output_dir=Path('out'))
    path = tmp_path / 'release.pth'
    torch.save(dict(model=state, args=args, epoch=3), path)
    return path, state


def test_a_release_goes_on_with_the_same_numbers(release, tiny_cfg):
    path, state = release
    model = build(tiny_cfg)
    converted = convert(read_state_dict(path), 'ccmim', 'project')
    assert not converted.left_out
    model.load_state_dict(converted.state, strict=True)
    images, noise = torch.randn(6, 3, 32, 32), torch.rand(6, 16)

    ids = model.mask_sampler(
        model.backbone.score(model.backbone.embed(images)), noise
    )
    losses = model.loss(images, samples(noise))
    (losses['loss_rec'] + losses['loss_align']).backward()

    for name, value in state.items():
        fixed = 'pos_embed' in name or not value.is_floating_point()
        value.requires_grad_(not (fixed or 'running' in name))
    expected = reference.step(state, images, noise)
    (expected['loss_rec'] + expected['loss_align']).backward()
    order = torch.cat((ids.ids_visible, ids.ids_masked), dim=1)
    assert torch.equal(order, expected['order'])
    for name in ('loss_rec', 'loss_align'):
        torch.testing.assert_close(
            losses[name], expected[name], rtol=1e-5, atol=0
        )
    grads = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    grads = convert(converted.state | grads, 'project', 'ccmim').state
    for name, value in state.items():
        if value.requires_grad:
            error = (grads[name] - value.grad).norm() / value.grad.norm()
            assert error < 1e-5, name


@pytest.mark.parametrize('form', ['ccmim', 'mae', 'timm'])
def test_a_round_trip_is_exact(release, form):
    state = release[1]
    parts = dict(mae=('projector',), timm=('projector', 'decoder', 'mask_'))
    state = {
        name: value
        for name, value in state.items()
        if not name.startswith(parts.get(form, ('none',)))
    }
    assert detect_format(state) == form
    ours = convert(state, form, 'project')
    assert not ours.left_out
    assert detect_format(ours.state) == 'project'
    assert same(convert(ours.state, 'project', form).state, state)


def test_what_has_no_place_is_named(release):
    ours = convert(release[1], 'ccmim', 'project').state
    dropped = convert(ours, 'project', 'timm').left_out
    assert 'align_head.projector.fc0.weight' in dropped
    assert 'neck.decoder_pos_embed' in dropped
    assert not any(name.startswith('backbone.') for name in dropped)


def test_the_unexplained_is_refused(release):
    state = release[1]
    with pytest.raises(ValueError, match=r'1 of .* unexplained: teacher\.w'):
        convert(state | {'teacher.w': torch.zeros(1)}, 'ccmim', 'project')
    with pytest.raises(ValueError, match=r'projector\.0\.weight'):
        convert(state, 'mae', 'project')
    del state['blocks.1.mlp.fc1.bias']
    with pytest.raises(ValueError, match=r'1 tensors .*layers.1.ffn'):
        convert(state, 'ccmim', 'project')
    with pytest.raises(ValueError, match='none of the formats'):
        detect_format(['conv1.weight'])


def test_the_tool(release, tmp_path, capsys):
    path, state = release
    ours, back, mae, none = (str(tmp_path / f'{i}.pth') for i in range(4))
    main = runpy.run_path(str(TOOL))['main']
    main([str(path), ours])
    main([ours, back, '--to', 'ccmim'])
    assert same(torch.load(back, weights_only=True)['model'], state)
    main([str(path), mae, '--from', 'ccmim', '--to', 'mae'])
    printed = capsys.readouterr().out
    assert 'left out' in printed
    assert 'projector.fc0' in printed
    with pytest.raises(SystemExit, match=r'error: .* exists'):
        main([str(path), ours])
    with pytest.raises(SystemExit, match=r'error: .* unexplained'):
        main([str(path), none, '--from', 'timm'])
    assert not Path(none).exists()


def deit3_state(names):
    """A ViT whose CLS token has no position, with layer scale by name."""
    state = plain_vit.random_vit()
    state['pos_embed'] = state['pos_embed'][:, 1:]
    generator = torch.Generator().manual_seed(1)
    for i in range(plain_vit.DEPTH):
        for name in names:
            gamma = torch.randn(plain_vit.WIDTH, generator=generator)
            state[f'blocks.{i}.{name}'] = 0.2 * gamma
    return plain_vit.as_timm(state)


@pytest.mark.parametrize(
    'names', [('ls1.gamma', 'ls2.gamma'), ('gamma_1', 'gamma_2')]
)
def test_deit3_has_the_same_features(names, tiny_cfg, tmp_path):
    state = deit3_state(names)
    images = torch.randn(2, 3, 32, 32)
    expected = plain_vit.forward(state, images, scales=names, final=True)
    torch.save(dict(model=state), tmp_path / 'deit3.pth')
    found, _, form = read_as_project(tmp_path / 'deit3.pth')
    assert form == 'timm'
    table = found['backbone.pos_embed']
    assert torch.equal(table[:, 1:], state['pos_embed'])
    assert torch.equal(table[:, 0], torch.zeros(1, 32))
    tiny_cfg['align_head'] = None
    method = build(tiny_cfg).eval()
    vit = VisionTransformer(
        tiny_cfg['backbone']['arch'],
        32,
        8,
        out_type='raw',
        norm_cfg=dict(type='LN', eps=1e-6),
    )
    vit.eval()
    load_pretrained(method, found)
    load_pretrained(SimpleNamespace(backbone=vit), found)
    for encoder in (method.backbone, vit):
        (tokens,) = encoder(images)
        torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)


def test_positions_of_no_square_come_from_timm_as_they_are():
    """Of 4 x 6 patches and a CLS token, learnt, which are 25."""
    state = plain_vit.random_vit(patches=24)
    found = convert(state, 'timm', 'project').state
    assert found['backbone.pos_embed'].equal(state['pos_embed'])


@pytest.mark.parametrize(
    ('told', 'rows'),
    [
        (dict(architecture='vit_tiny_patch16_224'), 16),
        (dict(architecture='flexivit_base'), 17),
        (dict(architecture='x', model_args=dict(no_embed_class=True)), 17),
    ],
)
def test_a_folder_of_timm_says_whether_the_cls_token_has_a_position(
    told, rows, tmp_path
):
    state = plain_vit.random_vit(patches=15)
    save_state_dict(state, tmp_path / 'model.safetensors')
    (tmp_path / 'config.json').write_text(json.dumps(told))
    table = read_as_project(tmp_path).state['backbone.pos_embed']
    assert table.shape == (1, rows, plain_vit.WIDTH)
    assert table[:, -16:].equal(state['pos_embed'])
    assert rows == 16 or not table[:, 0].any()


def test_layer_scale_without_its_weights_is_refused():
    names = ('ls1.gamma', 'ls2.gamma')
    state = deit3_state(names)
    wrong = state | {'blocks.1.ls1.gamma': torch.ones(31)}
    with pytest.raises(ValueError, match=r'ls1\.gamma finds no .*attn\.proj'):
        convert(wrong, 'timm', 'project')
    del state['blocks.0.mlp.fc2.bias']
    with pytest.raises(ValueError, match=r'blocks\.0\.ls2\.gamma finds no'):
        convert(state, 'timm', 'project')


def test_a_layer_called_a_billion_is_refused(release):
    state = release[1]
    name = f'blocks.{10**11}.norm1.weight'
    with pytest.raises(ValueError, match='tensors of the encoder are missing'):
        convert(state | {name: torch.ones(32)}, 'ccmim', 'project')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_the_tool_carries_the_heads(suffix, tiny_cfg, tmp_path):
    model = build(tiny_cfg)
    heads = heads_of(model)
    assert heads['backbone.layers.2.attn'] == 4
    ours, theirs, back = (str(tmp_path / f'{name}{suffix}') for name in 'abc')
    save_state_dict(model.state_dict(), ours, heads=heads)
    main = runpy.run_path(str(TOOL))['main']
    main([ours, theirs, '--to', 'mae'])
    main([theirs, back])
    assert read_as_project(back).heads == heads
    assert read_as_project(theirs).heads == heads


def test_a_converted_moco_keeps_its_heads(tmp_path, monkeypatch):
    """Its ViT-S of 12, which by names of ours would be taken for 6."""
    monkeypatch.setattr(plain_vit, 'WIDTH', 384)
    state = plain_vit.as_mocov3(plain_vit.random_vit())
    torch.save(state, tmp_path / 'moco.pth')
    for encoder in ('online', 'momentum'):
        out = tmp_path / f'{encoder}.pth'
        arguments = [str(tmp_path / 'moco.pth'), str(out)]
        convert_checkpoint.main([*arguments, '--encoder', encoder])
        assert {*read_as_project(out).heads.values()} == {12}
