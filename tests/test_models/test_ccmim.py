from types import SimpleNamespace

import pytest
import reference
import torch
from conftest import build, release_state, samples
from mmpretrain.models import MAEPretrainDecoder, MAEPretrainHead

from ccmim_mm.checkpoints import convert
from ccmim_mm.engine import CompileLayersHook

BATCH, PATCHES = 6, 16


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator)
    noise = torch.rand(BATCH, PATCHES, generator=generator)
    return images, noise


@pytest.mark.parametrize('masked_grad', [False, True])
def test_losses_and_gradients_equal_the_reference(
    tiny_cfg, batch, masked_grad
):
    tiny_cfg['masked_grad'] = masked_grad
    model = build(tiny_cfg)
    images, noise = batch
    losses = model.loss(images, samples(noise))
    (losses['loss_rec'] + losses['loss_align']).backward()
    state = release_state(model)
    expected = reference.step(state, images, noise, masked_grad=masked_grad)
    (expected['loss_rec'] + expected['loss_align']).backward()
    grads = {n: v.grad for n, v in state.items() if v.grad is not None}
    grads = convert(state | grads, 'ccmim', 'project').state
    for name in ('loss_rec', 'loss_align'):
        torch.testing.assert_close(
            losses[name], expected[name], rtol=1e-5, atol=0
        )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            expected = grads[name]
            error = (parameter.grad - expected).norm() / expected.norm()
            assert error < 2e-5, name


def test_mask_equals_the_releases_rule(tiny_cfg, batch):
    model = build(tiny_cfg)
    images, noise = batch
    scores = model.backbone.score(model.backbone.embed(images))
    ids = model.mask_sampler(scores, noise)
    order = reference.step(release_state(model), images, noise)['order']
    assert torch.equal(ids.ids_visible, order[:, :4])
    assert torch.equal(ids.ids_masked, order[:, 4:])


def test_every_parameter_gets_a_gradient(tiny_cfg, batch):
    model = build(tiny_cfg)
    losses = model.loss(batch[0], samples(batch[1]))
    (losses['loss_rec'] + losses['loss_align']).backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert all(p.grad is not None for p in trained.values())
    assert all(p.grad.abs().sum() > 0 for p in trained.values())


def test_the_masked_branch_sends_no_gradient(tiny_cfg, batch):
    model = build(tiny_cfg)
    seen = []
    encode_cls = model.backbone.encode_cls

    def spy(tokens, ids):
        out = encode_cls(tokens, ids)
        seen.append((out.requires_grad, ids.shape[1]))
        return out

    model.backbone.encode_cls = spy
    model.loss(batch[0], samples(batch[1]))
    assert seen == [(False, 12)]


def test_log_values(tiny_cfg, batch):
    model = build(tiny_cfg)
    losses = model.loss(batch[0], samples(batch[1]))
    total, log = model.parse_losses(losses)
    assert total == losses['loss_rec'] + losses['loss_align']
    log = {name: value.item() for name, value in log.items()}
    assert log['loss_align'] == pytest.approx(0.1 * log['align_ce'])
    assert 0 <= log['align_acc'] <= 1
    assert 0.75 <= log['top_masked'] <= 1


def test_without_contrast_and_scores_it_is_mae(tiny_cfg, batch):
    tiny_cfg['align_head'] = None
    tiny_cfg['mask_sampler']['type'] = 'RandomMaskSampler'
    model = build(tiny_cfg)

    def never(*args):
        raise AssertionError('the score pass must be skipped')

    model.backbone.score = never
    losses = model.loss(batch[0], samples(batch[1]))
    assert set(losses) == {'loss_rec'}
    # mmpretrain's own MAE on the same visible patches
    order = batch[1].argsort(1)
    latent = model.backbone.encode(
        model.backbone.embed(batch[0]), order[:, :4]
    )
    pred = MAEPretrainDecoder.forward(model.neck, latent, order.argsort(1))
    mask = (order.argsort(1) >= 4).float()
    expected = MAEPretrainHead.loss(model.head, pred, batch[0], mask)
    assert losses['loss_rec'].item() == pytest.approx(expected.item())


def test_noise_is_drawn_where_none_is_carried(tiny_cfg, batch):
    model = build(tiny_cfg)
    torch.manual_seed(3)
    first = model.loss(batch[0], [])['loss_rec']
    assert model.loss(batch[0], [])['loss_rec'] != first
    torch.manual_seed(3)
    assert model.loss(batch[0], [])['loss_rec'] == first


def test_bf16_autocast_is_finite_and_close(tiny_cfg, batch):
    model = build(tiny_cfg)
    exact = model.loss(batch[0], samples(batch[1]))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(batch[0], samples(batch[1]))
    (losses['loss_rec'] + losses['loss_align']).backward()
    # The logits are compared in fp32, so the alignment stays fp32.
    assert losses['loss_align'].dtype == torch.float32
    for p in model.parameters():
        assert p.grad is None or p.grad.isfinite().all()
    for name in ('loss_rec', 'loss_align'):
        assert losses[name].item() == pytest.approx(
            exact[name].item(), rel=0.05
        )


def test_scores_leave_every_weight_to_train_in_bf16(
    tiny_cfg, batch, monkeypatch
):
    """Where autocast keeps its casts, made with a graph or without.

    As torch before 2.10 does, of leaves that train.
    """
    casts, seen = {}, set()
    linear = torch.nn.functional.linear

    def cast_once(x, weight, bias=None):
        # A part of a weight is made anew at each pass: never a weight to
        # keep, though one made without a graph calls itself a leaf.
        kept = weight.is_leaf and weight.requires_grad
        if kept and not weight._is_view():
            seen.add(weight)
            if weight not in casts:
                casts[weight] = weight.to(torch.bfloat16)
            weight = casts[weight]
        return linear(x, weight, bias)

    monkeypatch.setattr(torch.nn.functional, 'linear', cast_once)
    monkeypatch.setattr(torch, 'clear_autocast_cache', casts.clear)
    model = build(tiny_cfg)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(batch[0], samples(batch[1]))
    assert len(seen) > 10
    (losses['loss_rec'] + losses['loss_align']).backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert [n for n, p in trained.items() if p.grad is None] == []


def test_activation_checkpointing_changes_nothing(tiny_cfg, batch):
    grads = []
    for with_cp in (False, True):
        tiny_cfg['backbone']['with_cp'] = with_cp
        model = build(tiny_cfg)
        losses = model.loss(batch[0], samples(batch[1]))
        (losses['loss_rec'] + losses['loss_align']).backward()
        grads.append(model.backbone.layers[0].attn.qkv.weight.grad)
    assert torch.equal(*grads)


def test_reconstruct_denormalises_each_patch(tiny_cfg, batch):
    model = build(tiny_cfg).eval()
    images, _ = batch
    # A prediction of zero everywhere is, de-normalised, the patch's mean.
    model.neck.decoder_pred.weight.data.zero_()
    model.neck.decoder_pred.bias.data.zero_()
    result = model.explain(images)
    patches = reference.patchify(images, 8)
    mean = patches.mean(-1, keepdim=True).expand_as(patches)
    torch.testing.assert_close(
        reference.patchify(result.images, 8), mean, rtol=1e-4, atol=1e-5
    )
    assert (result.mask.sum(1) == 12).all()


def test_features_are_of_whole_pictures(tiny_cfg, batch):
    model = build(tiny_cfg).eval()
    (tokens,) = model(batch[0], mode='tensor')
    assert tokens.shape == (BATCH, PATCHES + 1, 32)
    state = release_state(model)
    expected, _ = reference.encode(
        state, reference.embed(state, batch[0], 8), 3, 4
    )
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'neck': dict(num_patches=9)}, 'set it to 16'),
        ({'head': dict(patch_size=4)}, 'set it to 8'),
        ({'mask_sampler': dict(mask_ratio=0.95)}, 'none of 16'),
        ({'mask_sampler': dict(mask_ratio=1.0)}, r'must lie in \(0, 1\)'),
        ({'mask_sampler': dict(type='Nope')}, 'one of AdditiveNoise'),
        ({'backbone': dict(img_size=30)}, 'not divisible'),
        ({'backbone': dict(score_layers=4)}, 'from 1 to 3'),
        ({'align_head': dict(temperature=0)}, 'temperature > 0'),
        ({'align_patches': 13}, 'from 1 to 12'),
        ({'align_patches': 0}, 'from 1 to 12'),
    ],
)
def test_parts_that_do_not_fit(tiny_cfg, change, message):
    for part, values in change.items():
        if isinstance(values, dict):
            values = tiny_cfg[part] | values
        tiny_cfg[part] = values
    with pytest.raises(ValueError, match=message):
        build(tiny_cfg)


def test_batches_that_do_not_fit(tiny_cfg, batch):
    model = build(tiny_cfg)
    images, noise = batch
    with pytest.raises(TypeError, match='default_collate'):
        model.loss(list(images), samples(noise))
    with pytest.raises(ValueError, match='num_patches=16'):
        model.loss(images, samples(noise[:, :9]))
    with pytest.raises(ValueError, match='img_size=32'):
        model.loss(torch.zeros(2, 3, 40, 40), [])
    with pytest.raises(ValueError, match='batch_size to 2'):
        model.loss(images[:1], samples(noise[:1]))


def test_fewer_patches_to_align_with(tiny_cfg, batch):
    """Only the alignment changes, and any 4 of the 12 are read."""
    exact = build(tiny_cfg).loss(batch[0], samples(batch[1]))
    model = build(tiny_cfg | dict(align_patches=4))
    seen = []
    encode_cls = model.backbone.encode_cls
    model.backbone.encode_cls = lambda tokens, ids: (
        seen.append(ids) or encode_cls(tokens, ids)
    )
    losses = model.loss(batch[0], samples(batch[1]))
    assert losses['loss_rec'] == exact['loss_rec']
    assert losses['loss_align'] != exact['loss_align']
    assert seen[0].shape == (BATCH, 4)


def test_compiling_changes_neither_names_nor_values(tiny_cfg, batch):
    model = build(tiny_cfg)
    names = list(model.state_dict())
    plain = model.loss(batch[0], samples(batch[1]))
    # The tracer alone: building machine code would take minutes.
    hook = CompileLayersHook('aot_eager')
    hook.before_train(SimpleNamespace(model=model))
    losses = model.loss(batch[0], samples(batch[1]))
    (losses['loss_rec'] + losses['loss_align']).backward()
    assert list(model.state_dict()) == names
    assert model.backbone.layers[0].attn.qkv.weight.grad is not None
    for name in ('loss_rec', 'loss_align'):
        torch.testing.assert_close(losses[name], plain[name])
    with pytest.raises(ValueError, match='no layers of plain ViTs'):
        hook.before_train(SimpleNamespace(model=torch.nn.Linear(2, 2)))
