"""MimCo against a plain-torch step, and its head by hand."""

import math

import pytest
import torch
from conftest import samples
from plain import linear
from plain_vit import forward
from teacher_cases import (
    MIMCO,
    batch,
    check_gradients,
    method,
    save_teacher,
    student_state,
)

from ccmim_mm.models import CCMIMAlignHead, MimCoHead, Targets
from ccmim_mm.models.heads.mimco_head import mean_cosine
from ccmim_mm.models.task_modules import mask_indices

pytestmark = pytest.mark.slow


def unit(x):
    return x / x.square().sum(-1, keepdim=True).sqrt()


def reference_step(
    state, teacher, images, noise, masked=6, patch_t=0.1, image_t=0.2
):
    """Both losses, picture by picture and patch by patch."""
    with torch.no_grad():
        seen = forward(teacher, images)
        seen = seen - seen.mean(-1, keepdim=True)
        keys = unit(seen)
    mask = torch.zeros(noise.shape)
    for row, picture in enumerate(noise):
        mask[row, picture.argsort()[-masked:]] = 1
    tokens = forward(state, images, mask=mask, final=True)
    patches, pictures = [], []
    for b, picture in enumerate(tokens):
        for i in range(16):
            if mask[b, i]:
                q = unit(linear(picture[1 + i], state, 'head.predict'))
                likeness = torch.exp(keys[b, 1:] @ q / patch_t)
                patches.append(-torch.log(likeness[i] / likeness.sum()))
        q = unit(linear(picture[0], state, 'head.predict_image'))
        likeness = torch.exp(keys[:, 0] @ q / image_t)
        pictures.append(-torch.log(likeness[b] / likeness.sum()))
    return dict(
        loss_patch=2 * patch_t * torch.stack(patches).mean(),
        loss_image=2 * image_t * torch.stack(pictures).mean(),
    )


@pytest.fixture
def teacher(tmp_path):
    return save_teacher(tmp_path)


def test_losses_and_gradients_equal_the_reference(teacher):
    path, weights = teacher
    model = method(path, **MIMCO)
    images, noise = batch()
    losses = model.loss(images, samples(noise))
    total, log = model.parse_losses(losses)
    total.backward()
    state = student_state(model)
    expected = reference_step(state, weights, images, noise)
    sum(expected.values()).backward()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-5, atol=0)
    assert log['loss'] == total == losses['loss_patch'] + losses['loss_image']
    check_gradients(model, state)


@pytest.mark.parametrize('left_out', ['patch', 'image'])
def test_a_weight_of_zero_leaves_its_loss_and_its_map_out(teacher, left_out):
    """Or DDP would wait for a gradient that never comes."""
    path, weights = teacher
    head = MIMCO['head'] | {f'{left_out}_weight': 0.0}
    model = method(path, **MIMCO | dict(head=head))
    images, noise = batch()
    losses = model.loss(images, samples(noise))
    model.parse_losses(losses)[0].backward()
    state = student_state(method(path, **MIMCO))
    state |= student_state(model)
    kept = dict(patch='loss_image', image='loss_patch')[left_out]
    assert [n for n in losses if n.startswith('loss')] == [kept]
    expected = reference_step(state, weights, images, noise)
    torch.testing.assert_close(losses[kept], expected[kept], rtol=1e-5, atol=0)
    for name, p in model.named_parameters():
        assert not p.requires_grad or p.grad.abs().sum() > 0, name
    panel = model.eval().panel(images, 0)
    assert ('predicted' in panel) == (left_out == 'image')


def head_of(**options):
    torch.manual_seed(0)
    return MimCoHead(in_channels=5, out_channels=4, **options)


def tokens(count=3, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, width, generator=generator)


IDS = torch.tensor([[0, 2], [1, 2]])


def test_two_pictures_of_three_patches_by_hand():
    head = head_of(patch_temperature=0.5, image_weight=0)
    masked, target = tokens(2), tokens(3, 4, seed=1)
    found = head.of_patches(masked, target, IDS)
    ce, right = [], []
    for b in range(2):
        for n in range(2):
            q = unit(head.predict(masked[b, n]))
            logits = [(q @ unit(k)).item() / 0.5 for k in target[b]]
            own = logits[IDS[b, n]]
            ce.append(math.log(sum(map(math.exp, logits))) - own)
            right.append(own == max(logits))
    assert found['patch_ce'].item() == pytest.approx(sum(ce) / 4, rel=1e-5)
    assert found['loss_patch'].item() == pytest.approx(sum(ce) / 4, rel=1e-5)
    assert found['patch_acc'].item() == sum(right) / 4
    pairs = [
        torch.cosine_similarity(t[i], t[j], dim=0)
        for t in target
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    torch.testing.assert_close(found['key_cos'], sum(pairs) / 6)


def identity(head):
    """A head whose map of patches is none."""
    head.predict.weight.data = torch.eye(*head.predict.weight.shape)
    head.predict.bias.data.zero_()
    return head


def test_orthonormal_keys_that_are_found():
    head = identity(MimCoHead(4, 4, image_weight=0))
    target = torch.eye(4).expand(2, 4, 4)
    found = head.of_patches(target[:, :2], target, IDS * 0 + torch.arange(2))
    expected = math.log(1 + 3 * math.exp(-1 / 0.1))
    assert found['patch_ce'].item() == pytest.approx(expected, rel=1e-3)
    assert found['patch_acc'] == found['patch_acc_other'] == 1


@pytest.mark.parametrize('negatives', ['image', 'batch'])
def test_a_single_picture_has_no_other(negatives):
    head = head_of(image_weight=0, patch_negatives=negatives)
    two, one = (
        head.of_patches(tokens(2)[:n], tokens(3, 4, seed=1)[:n], IDS[:n])
        for n in (2, 1)
    )
    assert two.keys() - one.keys() == {'patch_acc_other'}
    assert {'loss_patch', 'patch_acc', 'key_cos'} < one.keys()


def test_keys_that_are_all_alike_teach_nothing():
    head = head_of(image_weight=0)
    masked = tokens(2).requires_grad_()
    target = tokens(1, 4).expand(-1, 3, -1)
    found = head.of_patches(masked, target, IDS)
    assert found['patch_ce'].item() == pytest.approx(math.log(3))
    assert found['key_cos'].item() == pytest.approx(1)
    found['loss_patch'].backward()
    assert masked.grad.abs().max() < 1e-6


def test_a_part_that_keys_share_does_not_matter_if_centred():
    target = tokens(3, 4, seed=1)
    shifted = target + 5 * tokens(1, 4, seed=2)
    for center in (True, False):
        head = head_of(image_weight=0, center=center)
        one, other = (
            head.of_patches(tokens(2), t, IDS)['patch_ce']
            for t in (target, shifted)
        )
        assert torch.isclose(one, other, atol=1e-4) == center
    assert mean_cosine(shifted) > mean_cosine(target)


def test_the_length_of_predictions_and_visible_patches_do_not_matter():
    head = head_of()
    encoded, target = tokens(4), tokens(4, 4, seed=1)
    targets = Targets(target[:, 1:], target[:, 0])
    ids = mask_indices(torch.tensor([[1, 0, 1], [0, 1, 1]]))
    expected = head.loss(encoded, targets, ids)
    encoded[0, 2] += 9
    encoded[1, 1] -= 9
    found = head.loss(encoded, targets, ids)
    assert found['loss_patch'] == expected['loss_patch']
    for layer in (head.predict, head.predict_image):
        layer.weight.data *= 7
        layer.bias.data *= 7
    scaled = head.loss(encoded, targets, ids)
    for name in ('loss_patch', 'loss_image'):
        torch.testing.assert_close(scaled[name], expected[name])


def test_negatives_of_the_whole_batch():
    head = identity(MimCoHead(4, 4, image_weight=0, patch_negatives='batch'))
    masked, target = tokens(2, 4), tokens(3, 4, seed=1)
    found = head.of_patches(masked, target, IDS)
    keys = unit(torch.stack([target[b, i] for b in (0, 1) for i in IDS[b]]))
    logits = unit(masked.flatten(0, 1)) @ keys.T / 0.1
    expected = -logits.log_softmax(-1).diagonal().mean()
    torch.testing.assert_close(found['patch_ce'], expected)


def test_regression_instead_of_contrast():
    head = head_of(image_weight=0, patch_loss='l1', patch_weight=2.0)
    masked, target = tokens(2), tokens(3, 4, seed=1)
    found = head.of_patches(masked, target, IDS)
    wanted = torch.stack([target[b, IDS[b]] for b in (0, 1)])
    expected = 2 * (head.predict(masked) - wanted).abs().mean()
    torch.testing.assert_close(found['loss_patch'], expected)


def test_pictures_are_found_as_ccmim_aligns_them():
    """The alignment's cross entropy with no projector."""
    head = MimCoHead(4, 4, patch_weight=0, image_temperature=0.3)
    head.predict_image.weight.data = torch.eye(4)
    head.predict_image.bias.data.zero_()
    queries, keys = torch.randn(6, 4), torch.randn(6, 4)
    found = head.of_pictures(queries, keys)
    align = CCMIMAlignHead(
        dict(type='LinearNeck', in_channels=1, out_channels=1), 0.3
    )
    align.projector = torch.nn.Identity()
    expected = align.loss(queries, keys)
    assert found['image_ce'] == expected['align_ce']
    assert found['image_acc'] == expected['align_acc']
    assert found['image_std'] == expected['align_std']
    assert found['loss_image'] == 0.6 * found['image_ce']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(patch_temperature=0), 'temperatures > 0'),
        (dict(image_weight=-1), 'weights >= 0'),
        (dict(image_weight=0, patch_weight=0), 'not both 0'),
        (dict(patch_negatives='all'), "patch_negatives='all' is none of"),
        (dict(patch_loss='l2'), "patch_loss='l2' is none of"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        head_of(**options)


def test_what_cannot_be_contrasted_is_refused(teacher):
    pixel = dict(type='FrozenTeacher', kind='pixel')
    head = MIMCO['head'] | dict(out_channels=192)
    with pytest.raises(ValueError, match=r'kind=pixel says .*image_weight=0'):
        method(None, **MIMCO | dict(head=head, teacher=pixel))
    head['image_weight'] = 0.0
    model = method(None, **MIMCO | dict(head=head, teacher=pixel))
    model.check_batch(1)
    with pytest.raises(ValueError, match='batch_size to 2'):
        method(teacher[0], **MIMCO).check_batch(1)
