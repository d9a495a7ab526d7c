import argparse
import runpy
from pathlib import Path

import pytest
import reference
import torch
from conftest import ROOT, build, samples

from ccmim_mm.checkpoints import convert, detect_format, read_state_dict

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


def equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) for name in one
    )


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
    assert equal(convert(ours.state, 'project', form).state, state)


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
    assert equal(torch.load(back, weights_only=True)['model'], state)
    main([str(path), mae, '--from', 'ccmim', '--to', 'mae'])
    printed = capsys.readouterr().out
    assert 'left out' in printed
    assert 'projector.fc0' in printed
    with pytest.raises(SystemExit, match=r'error: .* exists'):
        main([str(path), ours])
    with pytest.raises(SystemExit, match=r'error: .* unexplained'):
        main([str(path), none, '--from', 'timm'])
    assert not Path(none).exists()
