"""MoCo v3, SimCLR and DenseCL: the equations, and what is added to them."""

import logging
import runpy
from types import SimpleNamespace

import contrastive_reference as expected
import pytest
import torch
from conftest import ROOT, build
from contrastive_models import (
    AVERAGES,
    PATHS,
    STEP,
    STEPS,
    STRIDES,
    keys_of,
    leaves,
    model_cfg,
    running,
    views_of,
)
from mmengine.logging import HistoryBuffer
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS

from ccmim_mm.checkpoints import read_as_project
from ccmim_mm.engine import CollapseHook
from ccmim_mm.models import features_of, patch_features_of
from ccmim_mm.models.loading import load_pretrained

BATCH = 4
# For small batches' BatchNorm amplifies rounding.
DOUBLE = torch.float64


def objective(losses):
    return sum(v for name, v in losses.items() if name.startswith('loss'))


def assert_gradients(model, state):
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            close(parameter.grad, state[name].grad)
        else:
            assert parameter.grad is None, name


def close(a, b):
    # mmpretrain counts its momentum in fp32.
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)


def test_mocov3_is_the_paper():
    model, views = running('mocov3', DOUBLE), views_of(BATCH, DOUBLE)
    state, keys = leaves(model), keys_of(model, 'mocov3')
    losses = model.loss(views, None)
    losses['loss'].backward()
    loss, keys = expected.mocov3(state, keys, views, STEP, STEPS)
    loss.backward()
    close(losses['loss'], loss)
    assert_gradients(model, state)
    # The average moved first, and the keys are the moved one's.
    for name, value in keys_of(model, 'mocov3').items():
        close(value, keys[name])
    assert model.momentum_encoder.steps == STEP + 1


def test_simclr_is_the_paper_and_mmpretrains():
    model, views = running('simclr', DOUBLE), views_of(BATCH, DOUBLE)
    state = leaves(model)
    losses = model.loss(views, None)
    losses['loss'].backward()
    loss = expected.simclr(state, views)
    loss.backward()
    close(losses['loss'], loss)
    assert_gradients(model, state)
    stock = running('simclr', DOUBLE, type='SimCLR')
    stock.load_state_dict(state)
    value = stock.loss(views, None)['loss']
    value.backward()
    close(losses['loss'], value)
    for name, parameter in stock.named_parameters():
        if name != 'backbone.pos_embed' and parameter.requires_grad:
            close(parameter.grad, dict(model.named_parameters())[name].grad)


def test_densecl_is_the_paper():
    model, views = running('densecl', DOUBLE), views_of(BATCH, DOUBLE)
    model.queue_ptr.fill_(12)
    model.queue2_ptr.fill_(12)
    state, keys = leaves(model), keys_of(model, 'densecl')
    queues = model.queue.clone(), model.queue2.clone()
    torch.manual_seed(7)
    losses = model.loss(views, None)
    objective(losses).backward()
    torch.manual_seed(7)
    order = torch.randperm(BATCH)
    found = expected.densecl(state, keys, views, queues, order, STRIDES)
    objective(found).backward()
    for name in ('loss_single', 'loss_dense'):
        close(losses[name], found[name])
    assert_gradients(model, state)
    for name, value in keys_of(model, 'densecl').items():
        close(value, found['keys'][name])
    # The last of four places, and back to the first.
    assert model.queue_ptr == model.queue2_ptr == 0
    close(model.queue[:, 12:], found['queued'].T)
    close(model.queue2[:, 12:], found['queued2'].T)
    assert torch.equal(model.queue[:, :12], queues[0][:, :12])


@pytest.mark.parametrize('method', PATHS)
def test_every_parameter_gets_a_gradient(method):
    model = running(method)
    objective(model.loss(views_of(BATCH), None)).backward()
    for name, parameter in model.named_parameters():
        frozen = name.startswith(
            (*AVERAGES.values(), 'backbone.patch_embed', 'backbone.pos_embed')
        )
        if name == 'backbone.patch_embed.projection.weight' or not frozen:
            assert frozen != parameter.requires_grad, name
        if parameter.requires_grad:
            assert torch.isfinite(parameter.grad).all(), name


def test_the_position_table_is_fixed_before_ddp_looks():
    for method in ('mocov3', 'simclr'):
        model = MODELS.build(model_cfg(method))
        assert not model.backbone.pos_embed.requires_grad


@pytest.mark.parametrize('method', PATHS)
def test_what_is_logged_says_how_the_contrast_does(method):
    model = running(method)
    same = torch.randn(1, 3, 32, 32).expand(BATCH, -1, -1, -1)
    losses = model.loss(views_of(BATCH), None)
    assert 0 < losses['contrast_std'] <= 1.0001
    assert not losses['contrast_std'].requires_grad
    with torch.no_grad():
        losses = model.loss([same, same], None)
    assert losses['contrast_std'] < 1e-2
    # A query is nearer to its own picture than to another one.
    model = build(model_cfg(method)).train()
    if method == 'mocov3':
        # Untrained it points elsewhere.
        model.head.predictor = torch.nn.Identity()
    view = views_of(BATCH)[0]
    assert model.loss([view, view], None)['contrast_acc'] == 1


@pytest.mark.parametrize(
    ('method', 'keys'), [('mocov3', 32), ('simclr', 63), ('densecl', 17)]
)
def test_chance_is_that_of_the_methods_keys(method, keys, caplog):
    model = build(model_cfg(method))
    for accuracy, said in ((1.4 / keys, True), (1.6 / keys, False)):
        scalars = {}
        for name, value in (('std', 0.9), ('acc', accuracy)):
            scalars[f'train/contrast_{name}'] = HistoryBuffer([value], [1])
        runner = SimpleNamespace(
            epoch=1,
            message_hub=SimpleNamespace(log_scalars=scalars),
            train_dataloader=type(
                'Loader', (), dict(batch_size=32, __len__=lambda _: 1)
            )(),
            model=model,
            logger=logging.getLogger('chance'),
        )
        caplog.clear()
        with caplog.at_level('WARNING', 'chance'):
            CollapseHook().after_train_epoch(runner)
        assert (f'at chance: contrast_acc {accuracy:.4f} with {keys} keys' in
                caplog.text) == said  # fmt: skip


@pytest.mark.parametrize('method', ['mocov3', 'simclr'])
def test_the_encoder_is_mmpretrains_vit(method):
    model, pictures = build(model_cfg(method)).eval(), views_of(2)[0]
    plain = VisionTransformer(
        arch=model_cfg(method)['backbone']['arch'],
        img_size=32,
        patch_size=8,
        out_type='raw',
    )
    plain.eval()
    plain.load_state_dict(model.backbone.state_dict())
    (tokens,) = plain(pictures)
    found = features_of(model, pictures)
    assert torch.equal(found['cls'], tokens[:, 0])
    assert torch.equal(found['mean'], tokens[:, 1:].mean(1))
    assert torch.equal(patch_features_of(model, pictures), tokens[:, 1:])
    # The training has the CLS token alone, as before.
    assert model.backbone(pictures)[0].shape == (2, 32)


def test_a_residual_network_has_a_mean_and_patches():
    model, pictures = build(model_cfg('densecl')).eval(), views_of(2)[0]
    assert {k: v.shape for k, v in features_of(model, pictures).items()} == {
        'mean': (2, 64)
    }
    assert patch_features_of(model, pictures).shape == (2, 16, 64)


@pytest.mark.parametrize('method', PATHS)
def test_bad_batches_are_refused(method):
    model, views = running(method), views_of(BATCH)
    name = type(model).__name__
    with pytest.raises(ValueError, match='batch_size to 2 or more'):
        model.check_batch(1)
    with pytest.raises(ValueError, match='batch_size to 2 or more'):
        model.loss([view[:1] for view in views], None)
    for inputs in (views[0], views[:1]):
        with pytest.raises(ValueError, match=f'{name} needs two .*MultiView'):
            model.loss(inputs, None)


def test_a_queue_is_a_multiple_of_the_batch():
    model = build(model_cfg('densecl'))
    model.check_batch(8)
    with pytest.raises(ValueError, match='set it to 18,'):
        model.check_batch(6)


@pytest.mark.parametrize('method', AVERAGES)
def test_a_new_run_from_a_checkpoint_starts_its_average_anew(method):
    """Its momentum would go on from another run's end."""
    old, new = running(method), build(model_cfg(method), seed=1)
    average = getattr(new, AVERAGES[method])
    account = load_pretrained(new, old.state_dict())
    assert f'{AVERAGES[method]}.* (' in str(account).partition('new: ')[2]
    assert average.steps == 0
    for a, b in zip(new.neck.parameters(), old.neck.parameters(), strict=True):
        assert torch.equal(a, b)
    new.train().loss(views_of(BATCH), None)
    for key, value in zip(
        average.module[0].parameters(), old.backbone.parameters(), strict=True
    ):
        assert torch.equal(key, value)


@pytest.mark.parametrize('method', AVERAGES)
def test_the_average_can_be_taken_for_the_encoder(method, tmp_path):
    model = running(method)
    src, dst = tmp_path / 'run.pth', tmp_path / 'average.pth'
    torch.save(dict(state_dict=model.state_dict()), src)
    main = runpy.run_path(str(ROOT / 'tools/convert_checkpoint.py'))['main']
    main([str(src), str(dst), '--encoder', 'momentum'])
    expected = getattr(model, AVERAGES[method]).module[0].state_dict()
    state = read_as_project(dst).state
    assert {*state} == {f'backbone.{name}' for name in expected}
    new = build(model_cfg(method), seed=1)
    load_pretrained(new, state)
    for name, value in new.backbone.state_dict().items():
        assert torch.equal(value, expected[name]), name
    with pytest.raises(SystemExit, match='error: it holds no momentum enc'):
        main([str(dst), str(tmp_path / 'x.pth'), '--encoder', 'momentum'])


def test_sync_bn_serves_one_process_on_a_cpu():
    """Of the recipes, which name it: there it is BatchNorm."""
    views = views_of(BATCH)
    norm = {'neck.norm_cfg.type': 'SyncBN',
            'head.predictor.norm_cfg.type': 'SyncBN'}  # fmt: skip
    losses = [
        running('mocov3', **changes).loss(views, None)['loss']
        for changes in ({}, norm)
    ]
    assert torch.equal(*losses)
