"""What methods show of themselves: colours, attention, and no trace left."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import build
from contrastive_models import PATHS, model_cfg, running, views_of
from plain_vit import DEPTH, HEADS, as_project, forward, random_vit

from ccmim_mm.engine import PanelHook
from ccmim_mm.models import MaskedMethod, patch_features_of
from ccmim_mm.models.algorithms.colours import in_colours


def coloured(inputs, **features):
    """Colours of each patch, ``(B * L, 3)``, of one side's picture."""
    found = in_colours(inputs, features)
    patches, grid = {}, 4
    side = inputs.shape[-1] // grid
    for name, value in found.items():
        assert value.shape == inputs.shape
        cells = value.unfold(2, side, side).unfold(3, side, side)
        assert (cells == cells[..., :1, :1]).all()
        patches[name] = cells[..., 0, 0].permute(0, 2, 3, 1).flatten(0, 2)
    return patches


@pytest.fixture
def batch():
    """Four pictures of 16 pixels, and features of their 4 x 4 patches.

    Three of the features' directions are far wider than the others.
    """
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4, 3, 16, 16, generator=generator)
    features = torch.randn(4, 16, 12, generator=generator)
    return inputs, features * torch.tensor([9.0, 5.0, 3.0] + [0.1] * 9) + 7


def test_colours_are_the_principal_components(batch):
    inputs, features = batch
    rows = features.flatten(0, 1).numpy().astype(np.float64)
    centred = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centred)
    expected = centred @ directions[:3].T
    bright = np.array(
        [
            picture[:, i : i + 4, j : j + 4].mean()
            for picture in inputs.numpy()
            for i in range(0, 16, 4)
            for j in range(0, 16, 4)
        ]
    )
    for column in expected.T:
        column *= np.sign(np.corrcoef(column, bright)[0, 1])
        column /= column.std(ddof=1)
    found = coloured(inputs, teacher=features, other=2 * features - 7)
    np.testing.assert_allclose(
        found['teacher'], expected.clip(-2, 2), atol=1e-4
    )
    # Others are seen along the same directions.
    other = 2 * rows - 7 - rows.mean(0)
    kept = other @ np.linalg.lstsq(centred, expected)[0]
    np.testing.assert_allclose(found['other'], kept.clip(-2, 2), atol=1e-3)


def test_colours_do_not_depend_on_the_basis(batch):
    """As another epoch has another, of another sign."""
    inputs, features = batch
    expected = coloured(inputs, of=features)['of']
    basis, _ = torch.linalg.qr(torch.randn(12, 12))
    for changed in (-features, features @ basis, 3 * features - 1):
        found = coloured(inputs, of=changed)['of']
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_colours_of_what_went_wrong_are_colours(batch):
    inputs, features = batch
    for value in (torch.nan, torch.inf):
        features[0, 0] = value
        assert coloured(inputs, of=features)['of'].isfinite().all()
    assert (coloured(inputs, of=torch.ones(4, 16, 12))['of'] == 0).all()


@pytest.mark.parametrize('method', ['mocov3', 'simclr'])
def test_a_vit_shows_its_last_layers_attention(method):
    model, inputs = build(model_cfg(method)).eval(), views_of(2)[0]
    state = random_vit()
    model.backbone.load_state_dict(
        {n.removeprefix('backbone.'): v for n, v in as_project(state).items()}
    )
    panel = model.panel(inputs, 0)
    assert list(panel) == ['attention', 'features']
    last = f'blocks.{DEPTH - 1}'
    x = forward(state, inputs, layers=DEPTH - 1)
    norm = [state[f'{last}.norm1.{part}'] for part in ('weight', 'bias')]
    x = F.layer_norm(x, x.shape[-1:], *norm, eps=1e-6)
    qkv = x @ state[f'{last}.attn.qkv.weight'].T
    q, k, _ = (qkv + state[f'{last}.attn.qkv.bias']).chunk(3, -1)
    maps = [
        (a @ b.mT / a.shape[-1] ** 0.5).softmax(-1)[:, 0, 1:]
        for a, b in zip(q.chunk(HEADS, -1), k.chunk(HEADS, -1), strict=True)
    ]
    torch.testing.assert_close(
        panel['attention'], sum(maps) / HEADS, rtol=1e-4, atol=1e-6
    )
    tokens = forward(state, inputs, final=True)[:, 1:]
    expected = coloured(inputs, of=tokens)['of']
    found = panel['features'][..., ::8, ::8].permute(0, 2, 3, 1).flatten(0, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_a_residual_network_shows_its_map():
    model, inputs = build(model_cfg('densecl')).eval(), views_of(2)[0]
    (features,) = model.panel(inputs, 0).items()
    patches = patch_features_of(model, inputs)
    expected = in_colours(inputs, dict(features=patches))
    assert features[0] == 'features'
    assert torch.equal(features[1], expected['features'])


def test_masked_methods_show_their_features_too(tiny_cfg):
    model, inputs = build(tiny_cfg).eval(), views_of(2)[0]
    panel = model.panel(inputs, 0)
    assert list(panel) == [
        *('attention', 'masked', 'predicted', 'pasted', 'features')
    ]
    assert torch.equal(panel['attention'], model.attention(inputs))
    # As one that says nothing of its own does.
    plain = MaskedMethod.panel(model, inputs, 0)
    assert list(plain) == ['attention', 'features']


@pytest.mark.parametrize('shape', [(2, 8), (2, 1 + 12, 8)])
def test_without_a_square_of_patches_there_is_nothing_to_show(shape):
    model = build(model_cfg('densecl'))
    model.extract_feat = lambda inputs: (torch.zeros(shape),)
    assert model.panel(views_of(2)[0], 0) == {}


@pytest.mark.parametrize('method', PATHS)
def test_a_panel_leaves_no_trace(method, tmp_path):
    """In BatchNorm's statistics, the average, modes or random numbers."""
    model = running(method)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    drawn = []
    runner = SimpleNamespace(
        model=model,
        work_dir=tmp_path,
        iter=0,
        logger=logging.getLogger('panel'),
        visualizer=SimpleNamespace(add_image=lambda *a, **_: drawn.append(a)),
    )
    hook = PanelHook(dict())
    hook.batch = dict(
        inputs=torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8),
        data_samples=None,
    )
    state = torch.get_rng_state()
    hook.draw(runner, 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert (tmp_path / 'panels/epoch_0003.png').exists()
    assert drawn[0][1].std() > 10
    assert [module.training for module in model.modules()] == modes
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize('interval', [None, 0])
def test_without_an_interval_the_last_epoch_alone_is_drawn(interval):
    hook, drawn = PanelHook(dict(), interval=interval), []
    hook.draw = lambda runner, epoch: drawn.append(epoch)
    for epoch in range(3):
        hook.after_train_epoch(SimpleNamespace(epoch=epoch, max_epochs=3))
    assert drawn == [3]
