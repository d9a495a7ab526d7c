import copy

import pytest
import reference
import torch
from conftest import build, release_state
from mmengine.model import revert_sync_batchnorm
from torch import nn


def head_of(cfg):
    return build(cfg).align_head


def cls_tokens(seed, batch=8):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 32, generator=generator)


def test_value_and_gradient_equal_the_reference(tiny_cfg):
    model = build(tiny_cfg)
    head, state = model.align_head, release_state(model)
    visible = cls_tokens(1).requires_grad_()
    losses = head.loss(visible, cls_tokens(2))
    losses['loss_align'].backward()
    mine = visible.grad.clone()
    visible.grad = None
    with torch.no_grad():
        keys = reference.project(state, cls_tokens(2))
    expected = reference.align(reference.project(state, visible), keys)
    (0.1 * expected).backward()
    torch.testing.assert_close(losses['loss_align'], 0.1 * expected)
    torch.testing.assert_close(mine, visible.grad, rtol=1e-4, atol=1e-7)
    weight = head.projector.fc0.weight
    torch.testing.assert_close(
        weight.grad,
        state['projector.0.weight'].grad,
        rtol=1e-4,
        atol=1e-7,
    )


def test_targets_get_a_gradient_only_if_they_have_a_graph(tiny_cfg):
    head = head_of(tiny_cfg)
    weight = head.projector.fc1.weight
    grads = []
    for masked in (cls_tokens(2), cls_tokens(2).requires_grad_()):
        weight.grad = None
        head.loss(cls_tokens(1), masked)['loss_align'].backward()
        grads.append(weight.grad)
    assert masked.grad.abs().sum() > 0
    assert not torch.allclose(*grads)


def test_batch_norm_sees_both_branches(tiny_cfg):
    head = head_of(tiny_cfg)
    bn = head.projector.bn0
    expected = copy.deepcopy(bn)
    for tokens in (cls_tokens(1), cls_tokens(2)):
        expected(head.projector.fc0(tokens))
    head.loss(cls_tokens(1), cls_tokens(2))
    torch.testing.assert_close(bn.running_mean, expected.running_mean)
    assert bn.num_batches_tracked == 2


def test_equal_views_are_found(tiny_cfg):
    head = head_of(tiny_cfg)
    losses = head.loss(cls_tokens(1), cls_tokens(1))
    assert losses['align_acc'] == 1
    # Seven negatives in eight: well below chance, log(8).
    assert losses['align_ce'] < 2.079


def test_a_projector_without_batch_norm_takes_one_picture(tiny_cfg):
    head = head_of(tiny_cfg)
    with pytest.raises(ValueError, match='at least 2 pictures'):
        head.loss(cls_tokens(1, 1), cls_tokens(2, 1))
    # One of several processes, as it is where there is one.
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(head)
    with pytest.raises(ValueError, match='at least 2 pictures'):
        revert_sync_batchnorm(synced).check_batch(1)
    head.projector = nn.ModuleList([nn.Linear(32, 8)])
    head.projector.forward = lambda x: (head.projector[0](x[0]),)
    assert head.loss(cls_tokens(1, 1), cls_tokens(2, 1))['align_ce'] == 0
