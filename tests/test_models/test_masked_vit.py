import pytest
import reference
import torch
from conftest import build, release_state
from mmengine.registry import DefaultScope
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS

from ccmim_mm.models import PartialLayer
from ccmim_mm.models.layers.partial_layer import NO_ROWS


@pytest.mark.parametrize('bias', [True, False])
def test_cls_attention_equals_the_explicit_softmax(bias):
    torch.manual_seed(0)
    layer = PartialLayer(24, 3, 48, qkv_bias=bias)
    x = torch.randn(2, 10, 24) * 3
    qkv = layer.attn.qkv(layer.ln1(x))
    q, k, _ = qkv.unflatten(-1, (3, 3, 8)).permute(2, 0, 3, 1, 4)
    full = torch.softmax(q @ k.transpose(-2, -1) / 8**0.5, dim=-1)
    expected = full[:, :, 0, 1:].mean(1)
    nothing, row = layer(x, rows=NO_ROWS, cls_row=True)
    assert nothing.shape == (2, 0, 24)
    torch.testing.assert_close(row, expected)
    out, row = layer(x, cls_row=True)
    torch.testing.assert_close(row, expected)
    torch.testing.assert_close(out, layer(x))
    some, row = layer(x, rows=slice(2, 4), cls_row=True)
    torch.testing.assert_close(row, expected)
    torch.testing.assert_close(some, layer(x)[:, 2:4])


def images(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 3, 32, 32, generator=generator)


@pytest.mark.parametrize('layers', ['all', 1, 2])
def test_scores_equal_full_maps(tiny_cfg, layers):
    tiny_cfg['backbone']['score_layers'] = layers
    model = build(tiny_cfg)
    tokens = model.backbone.embed(images())
    _, expected = reference.encode(
        release_state(model), tokens, 3 if layers == 'all' else layers, 4
    )
    torch.testing.assert_close(model.backbone.score(tokens), expected)


def test_scoring_leaves_no_trace(tiny_cfg):
    model = build(tiny_cfg)
    tokens = model.backbone.embed(images())
    before = {k: v.clone() for k, v in model.state_dict().items()}
    scores = model.backbone.train().score(tokens)
    assert not scores.requires_grad
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(scores, model.backbone.eval().score(tokens))


def test_nothing_is_computed_behind_the_last_scored_row(tiny_cfg):
    tiny_cfg['backbone']['score_layers'] = 2
    model = build(tiny_cfg)
    calls = []
    for i, layer in enumerate(model.backbone.layers):
        layer.ffn.register_forward_hook(lambda *_, i=i: calls.append(i))
    model.backbone.score(model.backbone.embed(images()))
    # Layer 1's row is read from its input: only layer 0 ran.
    assert calls == [0]


@pytest.mark.parametrize('tokens', [slice(0, 1), slice(3, None)])
def test_a_layer_at_some_tokens_is_the_layer(tiny_cfg, tokens):
    layer = build(tiny_cfg).backbone.layers[0]
    x = torch.randn(2, 9, 32, requires_grad=True)
    whole = layer(x)[:, tokens]
    some = layer(x, rows=tokens)
    torch.testing.assert_close(some, whole)
    (grad,) = torch.autograd.grad(some.square().sum(), x)
    (expected,) = torch.autograd.grad(whole.square().sum(), x)
    assert (grad - expected).norm() < 1e-5 * expected.norm()


def test_the_cls_token_alone_is_that_of_the_whole(tiny_cfg):
    backbone = build(tiny_cfg).backbone
    tokens = backbone.embed(images())
    ids = torch.tensor([[3, 7, 1, 15]]).expand(4, -1)
    torch.testing.assert_close(
        backbone.encode_cls(tokens, ids), backbone.encode(tokens, ids)[:, 0]
    )


def test_encoding_does_not_depend_on_the_order_of_patches(tiny_cfg):
    model = build(tiny_cfg)
    tokens = model.backbone.embed(images())
    ids = torch.tensor([[3, 7, 1]]).expand(4, -1)
    encoded = model.backbone.encode(tokens, ids)
    turned = model.backbone.encode(tokens, ids.flip(1))
    torch.testing.assert_close(encoded[:, 0], turned[:, 0])
    torch.testing.assert_close(encoded[:, 1:], turned[:, 1:].flip(1))


def test_the_checkpoint_is_a_plain_vits(tiny_cfg):
    backbone = build(tiny_cfg).backbone.eval()
    plain = VisionTransformer(
        arch=tiny_cfg['backbone']['arch'],
        img_size=32,
        patch_size=8,
        out_type='raw',
        norm_cfg=dict(type='LN', eps=1e-6),
    )
    plain.load_state_dict(backbone.state_dict(), strict=True)
    plain.eval()
    assert torch.equal(backbone(images())[0], plain(images())[0])


def test_weights_that_are_loaded_stay(tiny_cfg, tmp_path):
    source = build(tiny_cfg, seed=1).backbone
    path = tmp_path / 'vit.pth'
    torch.save(source.state_dict(), path)
    tiny_cfg['backbone']['init_cfg'] = dict(
        type='Pretrained', checkpoint=str(path)
    )
    loaded = type(source)(
        **{k: v for k, v in tiny_cfg['backbone'].items() if k != 'type'}
    )
    loaded.init_weights()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_masking_as_mae_does(tiny_cfg):
    backbone = build(tiny_cfg).backbone
    latent, mask, restore = backbone(images(), mask=True)
    assert latent.shape == (4, 5, 32)
    assert mask.sum() == 4 * 12
    assert restore.shape == (4, 16)


def test_mask_tokens_stand_where_the_patches_were(tiny_cfg):
    tiny_cfg['backbone']['mask_token'] = True
    backbone = build(tiny_cfg).backbone
    tokens = backbone.embed(images())
    mask = torch.zeros(4, 16)
    mask[:, [2, 5]] = 1
    encoded = backbone.encode(tokens, mask=mask)
    assert encoded.shape == (4, 17, 32)
    # By hand: the token at the patch's position, instead of the patch.
    by_hand = tokens.clone()
    for i in (2, 5):
        by_hand[:, i] = (
            backbone.mask_token[0, 0] + backbone.pos_embed[0, 1 + i]
        )
    torch.testing.assert_close(encoded, backbone.encode(by_hand))
    # What is hidden does not matter any more.
    other = tokens.clone()
    other[:, [2, 5]] = 9.0
    torch.testing.assert_close(backbone.encode(other, mask=mask), encoded)
    torch.testing.assert_close(
        backbone.encode_cls(tokens, mask=mask), encoded[:, 0]
    )
    encoded.sum().backward()
    assert backbone.mask_token.grad.abs().sum() > 0


def test_a_mask_without_a_token_is_refused(tiny_cfg):
    backbone = build(tiny_cfg).backbone
    with pytest.raises(ValueError, match='mask_token=True'):
        backbone.encode(backbone.embed(images()), mask=torch.ones(4, 16))


def test_a_layer_of_somebody_elses_is_found_outside_a_run(tiny_cfg):
    """Where docs/extending.md has it registered, with no scope either."""

    @MODELS.register_module(force=True)
    class TheirLayer(PartialLayer):
        pass

    cfg = tiny_cfg['backbone'] | dict(layer=dict(type='TheirLayer'))
    neck = tiny_cfg['neck'] | dict(layer=dict(type='TheirLayer'))
    with DefaultScope.overwrite_default_scope(None):
        backbone, decoder = MODELS.build(cfg), MODELS.build(neck)
    layers = [*backbone.layers, *decoder.decoder_blocks]
    assert all(type(layer) is TheirLayer for layer in layers)
