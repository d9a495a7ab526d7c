"""MaskDistill against a plain-torch step, and as a run."""

import copy

import pytest
import torch
from conftest import samples
from mmpretrain.registry import MODELS
from plain import linear
from plain_vit import forward
from teacher_cases import (
    TINY,
    batch,
    check_gradients,
    method,
    save_teacher,
    student_state,
)

from ccmim_mm.models import MaskDistillHead, Targets, TeacherMethod
from ccmim_mm.models.loading import load_pretrained
from ccmim_mm.models.task_modules import mask_indices

pytestmark = pytest.mark.slow


def reference_step(state, teacher, images, noise, masked=6, beta=2.0):
    """The loss and what is logged, written from the equation."""
    mask = torch.zeros(noise.shape)
    for row, picture in enumerate(noise):
        mask[row, picture.argsort()[-masked:]] = 1
    with torch.no_grad():
        seen = forward(teacher, images)[:, 1:]
        centred = seen - seen.mean(-1, keepdim=True)
        target = (
            centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        )
    tokens = forward(state, images, mask=mask, final=True)[:, 1:]
    predicted = linear(tokens, state, 'head.predict')
    difference = (predicted - target).abs()
    distance = torch.where(
        difference < beta,
        difference.square() / (2 * beta),
        difference - beta / 2,
    ).mean(-1)
    return dict(
        loss_distill=(distance * mask).sum() / mask.sum(),
        target=target,
        mask=mask,
    )


@pytest.fixture
def teacher(tmp_path):
    return save_teacher(tmp_path)


def test_loss_and_gradients_equal_the_reference(teacher):
    path, weights = teacher
    model = method(path)
    images, noise = batch()
    losses = model.loss(images, samples(noise))
    total, _ = model.parse_losses(losses)
    total.backward()
    state = student_state(model)
    expected = reference_step(state, weights, images, noise)
    expected['loss_distill'].backward()
    torch.testing.assert_close(
        total, expected['loss_distill'], rtol=1e-5, atol=0
    )
    check_gradients(model, state)


def test_the_teacher_is_no_part_of_the_model(teacher):
    model = method(teacher[0])
    network = model.teacher._network
    before = copy.deepcopy(network.state_dict())
    own = {id(p) for p in model.parameters()}
    assert not own & {id(p) for p in network.parameters()}
    assert not any(m is network for m in model.modules())
    names = [n for n in model.state_dict() if 'teacher' in n]
    assert names == ['teacher_digest']
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    images, noise = batch()
    for _ in range(3):
        model.loss(images, samples(noise))['loss_distill'].backward()
        optimizer.step()
    model.train()
    assert not network.training
    assert all(p.grad is None for p in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    # An average of the weights has no second one.
    assert copy.deepcopy(model).teacher is model.teacher


def head_of(**options):
    torch.manual_seed(0)
    return MaskDistillHead(in_channels=4, out_channels=3, **options)


def head_batch():
    generator = torch.Generator().manual_seed(0)
    encoded = torch.randn(2, 5, 4, generator=generator)
    target = torch.randn(2, 4, 3, generator=generator) * 3
    ids = mask_indices(torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0]]))
    return encoded, target, ids


@pytest.mark.parametrize(
    ('loss', 'expected'),
    [
        ('l1', lambda d: d.abs()),
        ('l2', lambda d: d * d),
        # On both sides of beta = 0.5.
        (
            'smooth_l1',
            lambda d: torch.where(d.abs() < 0.5, d * d, d.abs() - 0.25),
        ),
    ],
)
def test_distances_of_masked_patches(loss, expected):
    head = head_of(loss=loss, beta=0.5)
    encoded, target, ids = head_batch()
    found = head.loss(encoded, Targets(target, None), ids)
    rows = [(0, 0), (0, 3), (1, 1), (1, 2)]
    wanted = torch.stack([target[row] for row in rows])
    predicted = torch.stack([head.predict(encoded[b, 1 + i]) for b, i in rows])
    difference = predicted - wanted
    torch.testing.assert_close(
        found['loss_distill'], expected(difference).mean()
    )
    torch.testing.assert_close(found['at_zero'], expected(wanted).mean())
    cosines = [
        (p @ w) / p.norm() / w.norm()
        for p, w in zip(predicted, wanted, strict=True)
    ]
    torch.testing.assert_close(found['target_cos'], sum(cosines) / 4)
    # What is visible, and the CLS token, do not matter.
    encoded[:, 0] += 1
    encoded[0, 2], target[1, 3] = 9.0, 9.0
    again = head.loss(encoded, Targets(target, None), ids)
    assert again['loss_distill'] == found['loss_distill']


def test_a_perfect_head_has_no_loss():
    encoded, _, ids = head_batch()
    for loss in ('smooth_l1', 'l1', 'l2', 'cosine'):
        head = head_of(loss=loss)
        target = head.predict(encoded[:, 1:]).detach()
        found = head.loss(encoded, Targets(target, None), ids)
        assert found['loss_distill'].item() == pytest.approx(0, abs=1e-6)
        assert found['pred_std'] == pytest.approx(1)
        assert found['target_cos'] == pytest.approx(1)
    with pytest.raises(ValueError, match="loss='l3' is none of"):
        head_of(loss='l3')


def test_predictions_that_are_all_alike_have_no_spread():
    encoded, target, ids = head_batch()
    head = head_of()
    head.predict.weight.data.zero_()
    found = head.loss(encoded, Targets(target, None), ids)
    assert found['pred_std'] == pytest.approx(0, abs=1e-6)


def test_masked_pixels_are_not_seen(teacher):
    model = method(teacher[0])
    images, noise = batch()
    images.requires_grad_()
    ids = model.mask_sampler(None, noise)
    tokens = model.backbone.embed(images)
    model.backbone.encode(tokens, mask=ids.mask).sum().backward()
    side = images.grad.unfold(2, 8, 8).unfold(3, 8, 8)
    seen = side.abs().sum((1, 4, 5)).flatten(1) > 0
    assert torch.equal(seen, ids.mask == 0)
    # Nothing hidden is the whole picture, all hidden is none.
    whole = model.backbone.encode(tokens, mask=torch.zeros(6, 16))
    assert torch.equal(whole, model.backbone(images)[0])
    none = model.backbone.encode(tokens, mask=torch.ones(6, 16))
    torch.testing.assert_close(none[0], none[1])


def test_its_weights_start_a_run_with_another_teacher(teacher, tmp_path):
    state = method(teacher[0]).state_dict()
    model = method(save_teacher(tmp_path, seed=1)[0], seed=1)
    account = load_pretrained(model, state)
    assert not account.unexplained
    loaded = model.state_dict()
    assert torch.equal(
        loaded['backbone.mask_token'], state['backbone.mask_token']
    )
    digest = bytes(loaded['teacher_digest'].tolist())
    assert digest == model.teacher.digest
    assert digest != bytes(state['teacher_digest'].tolist())


def test_a_panel_shows_what_is_seen_and_predicted(teacher):
    model = method(teacher[0]).eval()
    images = batch()[0]
    panel = model.panel(images, seed=0)
    assert list(panel) == ['attention', 'masked', 'teacher', 'predicted']
    assert panel['attention'].shape == (6, 16)
    for name in ('masked', 'teacher', 'predicted'):
        assert panel[name].shape == images.shape
        assert panel[name].isfinite().all()
    hidden = panel['masked'].unfold(2, 8, 8).unfold(3, 8, 8) == 0
    assert (hidden.all(-1).all(-1).all(1).sum((1, 2)) == 6).all()
    # A colour a patch, and not one for all.
    patches = panel['teacher'].unfold(2, 8, 8).unfold(3, 8, 8)
    assert (patches == patches[..., :1, :1]).all()
    assert patches.std() > 0.1


def test_a_method_that_drops_what_is_hidden_has_a_panel_too(teacher):
    @MODELS.register_module(force=True)
    class Dropping(TeacherMethod):
        needs_mask_token = False

    backbone = TINY['backbone'] | dict(mask_token=False)
    model = method(teacher[0], type='Dropping', backbone=backbone)
    panel = model.eval().panel(batch()[0], seed=0)
    assert list(panel) == ['attention', 'masked', 'teacher']
    state = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(('head.', 'neck.'))
    }
    # A bare encoder is enough to start from.
    load_pretrained(model, state)
