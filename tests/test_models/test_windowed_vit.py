import functools

import pytest
import torch
from mmengine.registry import MODELS
from mmpretrain.models import VisionTransformer, ViTSAM
from mmpretrain.models.backbones.vit_sam import Attention
from vitdet_reference import (
    full_attention,
    in_windows,
    resize_line,
    resize_map,
    vitdet,
)

from ccmim_mm.models import SimpleFeaturePyramid, WindowedViT
from ccmim_mm.models.layers.windowed_layer import FusedRelPosAttention

ARCH = dict(embed_dims=32, num_layers=4, num_heads=4, feedforward_channels=64)


def randomise(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for p in module.parameters():
        p.data = torch.randn(p.shape, generator=generator) * 0.2
    return module


def image(height=64, width=64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, generator=generator)


@pytest.mark.parametrize('rel_pos', [True, False])
def test_fused_attention_is_the_explicit_one(rel_pos):
    options = dict(num_heads=4, use_rel_pos=rel_pos, input_size=(5, 7))
    explicit = randomise(Attention(32, **options))
    fused = FusedRelPosAttention(32, **options)
    fused.load_state_dict(explicit.state_dict())
    x = torch.randn(2, 5, 7, 32)
    torch.testing.assert_close(fused(x), explicit(x), rtol=1e-4, atol=1e-5)
    explicit(x).square().sum().backward()
    fused(x).square().sum().backward()
    for name, p in fused.named_parameters():
        expected = explicit.get_parameter(name).grad
        error = (p.grad - expected).norm() / expected.norm()
        assert error < 1e-4, name


@pytest.mark.parametrize('size', [(64, 64), (72, 40)])
def test_it_is_vitsam(size):
    """Windows that do not fit, other input sizes and all."""
    own = WindowedViT(ARCH, 64, 8, num_global=2, window_size=3).eval()
    stock = ViTSAM(
        ARCH | dict(global_attn_indexes=[1, 3]),
        64,
        8,
        out_channels=0,
        window_size=3,
    )
    randomise(stock).eval()
    own.load_state_dict(stock.state_dict(), strict=True)
    (mine,), (theirs,) = own(image(*size)), stock(image(*size))
    assert mine.shape == (2, 32, size[0] // 8, size[1] // 8)
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_a_pretrained_vit_is_its_start():
    """With global layers and zero positions it is the ViT without CLS."""
    plain = randomise(
        VisionTransformer(
            ARCH,
            64,
            8,
            out_type='featmap',
            with_cls_token=False,
            final_norm=False,
        )
    )
    plain.eval()
    state = plain.state_dict()
    table = torch.cat((torch.ones(1, 1, 32), state['pos_embed']), dim=1)
    own = WindowedViT(ARCH, 64, 8, num_global=4).eval()
    missing, unexpected = own.load_state_dict(
        state | dict(pos_embed=table, cls_token=torch.ones(1, 1, 32)),
        strict=False,
    )
    assert unexpected == ['cls_token']
    assert all('rel_pos' in name for name in missing)
    assert len(missing) == 8
    torch.testing.assert_close(
        own(image())[0], plain(image())[0], rtol=1e-4, atol=1e-4
    )


def test_drop_path_is_on_both_branches():
    own = WindowedViT(ARCH, 64, 8, drop_path_rate=0.5).train()
    rates = [layer.drop_path.drop_prob for layer in own.layers]
    assert rates == pytest.approx([0, 1 / 6, 1 / 3, 0.5])
    layer = own.layers[-1]
    layer.ffn.layers[1].weight.data.zero_()
    layer.ffn.layers[1].bias.data.zero_()
    x = torch.randn(64, 4, 4, 32)
    torch.manual_seed(0)
    kept = (layer(x) != x).flatten(1).any(1).float().mean()
    assert 0.25 < kept < 0.75


def test_recomputing_changes_nothing():
    grads = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        own = randomise(WindowedViT(ARCH, 64, 8, with_cp=with_cp)).eval()
        own(image())[0].square().mean().backward()
        grads.append(own.layers[0].attn.qkv.weight.grad)
    torch.testing.assert_close(*grads)


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match='one of small, base'):
        WindowedViT('tiny')
    with pytest.raises(ValueError, match='divisor'):
        WindowedViT(ARCH, 64, 8, num_global=3)


def test_the_pyramid():
    pyramid = MODELS.build(
        dict(type='SimpleFeaturePyramid', in_channels=32, out_channels=16)
    )
    assert isinstance(pyramid, SimpleFeaturePyramid)
    maps = pyramid((None, torch.randn(2, 32, 8, 12)))
    assert [tuple(m.shape) for m in maps] == [
        (2, 16, int(8 * s), int(12 * s)) for s in (4, 2, 1, 0.5, 0.25)
    ]
    torch.testing.assert_close(maps[4], maps[3][:, :, ::2, ::2])


def same(found, expected, leaves, state):
    """Values and the gradients of all that they depend on."""
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-5)
    weights = torch.randn(expected.shape)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for name, leaf in leaves.items():
        gradient = state[name].grad
        error = (leaf.grad - gradient).norm() / gradient.norm()
        assert error < 1e-4, name


def leaves_of(module, prefix=''):
    return {
        prefix + name: value.detach().clone().requires_grad_()
        for name, value in module.named_parameters()
    }


@pytest.mark.parametrize('rel_pos', [True, False])
@pytest.mark.parametrize('size', [(5, 7), (7, 5), (4, 4), (3, 9)])
def test_attention_is_full_attention(size, rel_pos):
    """Maps that are not square, and of another size than the tables."""
    fused = FusedRelPosAttention(
        32, num_heads=4, use_rel_pos=rel_pos, input_size=(5, 7)
    )
    state = leaves_of(randomise(fused), 'a.')
    x = torch.randn(2, *size, 32)
    same(
        fused(x),
        full_attention(x, state, 'a', heads=4),
        {f'a.{n}': p for n, p in fused.named_parameters()},
        state,
    )


@pytest.mark.parametrize('size', [(6, 6), (7, 4), (5, 8), (2, 2)])
def test_windows_are_full_attention_within_each(size):
    own = WindowedViT(ARCH, 64, 8, num_global=2, window_size=3)
    layer = randomise(own).layers[0].eval()
    state = leaves_of(layer.attn, 'a.')
    x = torch.randn(2, *size, 32, requires_grad=True)
    # What the layer adds to its input, with its other branch silent.
    layer.ffn.layers[1].weight.data.zero_()
    layer.ffn.layers[1].bias.data.zero_()
    normed = layer.ln1(x).detach()
    attend = functools.partial(full_attention, state=state, name='a', heads=4)
    expected = in_windows(attend, normed, 3)
    if max(size) <= 3:
        # One window: the zeros beside the map are attended to as well.
        alone = full_attention(normed, state, 'a', heads=4)
        assert not torch.allclose(expected, alone, atol=1e-3)
    same(
        layer(x) - x,
        expected,
        {f'a.{n}': p for n, p in layer.attn.named_parameters()},
        state,
    )


@pytest.mark.parametrize('size', [(64, 64), (72, 40), (30, 52)])
@pytest.mark.parametrize('num_global', [1, 2])
def test_the_backbone_is_plain_vitdet(size, num_global):
    own = WindowedViT(ARCH, 64, 8, num_global=num_global, window_size=3)
    randomise(own).eval()
    state = leaves_of(own)
    images = image(*size)
    (found,) = own(images)
    expected = vitdet(images, state, num_global, window=3)
    assert found.shape == expected.shape
    same(found, expected, dict(own.named_parameters()), state)


@pytest.mark.parametrize('side', [32, 48, 96])
def test_position_tables_are_resized_bicubically(side):
    """On the way in: from 8x8 patches and a CLS slot."""
    grid = side // 8
    table = torch.randn(1, 65, 32)
    expected = resize_map(table[0, 1:].view(8, 8, 32), grid, grid)
    plain = VisionTransformer(ARCH, side, 8, out_type='featmap')
    plain.load_state_dict(dict(pos_embed=table), strict=False)
    assert torch.equal(plain.pos_embed[:, 0], table[:, 0])
    found = plain.pos_embed[0, 1:].view(grid, grid, 32)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    windowed = WindowedViT(ARCH, side, 8)
    windowed.load_state_dict(dict(pos_embed=table), strict=False)
    torch.testing.assert_close(
        windowed.pos_embed[0], expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('side', [32, 48, 96])
def test_relative_tables_are_resized_linearly(side):
    """On the way in, from another input: 2 x 8 - 1 distances."""
    own = WindowedViT(ARCH, side, 8, num_global=4)
    name = 'layers.1.attn.rel_pos_h'
    table = torch.randn(15, 8)
    own.load_state_dict({name: table}, strict=False)
    torch.testing.assert_close(
        own.get_parameter(name),
        resize_line(table, 2 * (side // 8) - 1),
        rtol=1e-4,
        atol=1e-5,
    )
