"""i-MAE against a plain-torch step, and what it promises."""

import pytest
import reference
import torch
from conftest import samples
from mmengine.registry import RUNNERS
from plain import linear
from run_helpers import bare
from teacher_cases import (
    IMAE,
    IMAE_CONFIG,
    batch,
    method,
    save_mae,
    save_teacher,
    tiny_run,
)

from ccmim_mm.checkpoints import convert
from ccmim_mm.models import branch_latents_of
from ccmim_mm.models.algorithms.imae import identified
from ccmim_mm.models.loading import load_pretrained

pytestmark = pytest.mark.slow

BRANCHES = ('sub', 'dom')
VISIBLE = 4


@pytest.fixture
def teacher(tmp_path):
    return save_mae(tmp_path)


def imae(path, seed=0, from_teacher=False, **changes):
    """A tiny i-MAE that has its teacher, and other weights than it."""
    changes = IMAE | dict(from_teacher=from_teacher) | changes
    return method(path, seed, **changes)


def pair():
    """Two batches of pictures and the noise of the masks."""
    images, noise = batch()
    return images, images.flip(0).roll(1, 1) * 0.7, noise


def losses_of(model, first, second, noise, *shares):
    """A step's losses with given shares of the first pictures."""
    share = torch.tensor(shares).reshape(-1, 1, 1, 1)
    model.draw_share = lambda pictures: share
    return model.loss([first, second], samples(noise))


def plain_state(model):
    """The student's tensors by the release's names, parameters as leaves.

    Returns:
        With ``decoder_embed`` of the dominant and of the subordinate picture.
    """
    own = {n: v.detach().clone() for n, v in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        own[name].requires_grad_(parameter.requires_grad)
    shared = {
        n: v for n, v in own.items() if n.startswith(('backbone.', 'neck.'))
    }
    states = {}
    for branch in BRANCHES:
        maps = {
            f'neck.decoder_embed.{part}': own[f'embed_{branch}.{part}']
            for part in ('weight', 'bias')
        }
        states[branch] = convert(shared | maps, 'project', 'mae').state
    return own, states


def reference_step(states, teacher, first, second, noise, shares, mix=False):
    """All four losses; with ``mix`` the teacher sees it, as released."""
    order = noise.argsort(1)

    def encode(state, images):
        tokens = reference.embed(state, images, 8)
        kept = [t[i[:VISIBLE]] for t, i in zip(tokens, order, strict=True)]
        return reference.encode(state, torch.stack(kept), 3, 4)[0]

    if len(shares) == 1:
        shares = list(shares) * len(first)
    mixed, pictures = [], dict(sub=[], dom=[])
    for a, b, share in zip(first, second, shares, strict=True):
        mixed.append(share * a + (1 - share) * b)
        pictures['dom'].append(a if share >= 0.5 else b)
        pictures['sub'].append(b if share >= 0.5 else a)
    mixed = torch.stack(mixed)
    losses = {}
    for branch, state in states.items():
        own = torch.stack(pictures[branch])
        encoded = encode(state, mixed)
        pred = reference.decode(state, encoded, order, depth=2, heads=2)
        error = (pred - reference.patchify(own, 8)).square().mean(-1)
        losses[f'loss_rec_{branch}'] = error.gather(
            1, order[:, VISIBLE:]
        ).mean()
        latent = linear(encoded, state, 'decoder_embed')
        with torch.no_grad():
            target = linear(
                encode(teacher, mixed if mix else own),
                teacher,
                'decoder_embed',
            )
        losses[f'loss_dist_{branch}'] = (latent - target).square().mean()
    return losses


@pytest.mark.parametrize('shares', [(0.3,), (0.5,), (0.9, 0.2, 0.5) * 2])
def test_losses_and_gradients_equal_the_reference(teacher, shares):
    path, weights = teacher
    model = imae(path)
    losses = losses_of(model, *pair(), *shares)
    total, _ = model.parse_losses(losses)
    total.backward()
    own, states = plain_state(model)
    expected = reference_step(states, weights, *pair(), shares)
    sum(expected.values()).backward()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-5, atol=0)
    assert total.item() == pytest.approx(sum(expected.values()).item())
    # The release's teacher sees the mixture, which is another method.
    other = reference_step(states, weights, *pair(), shares, mix=True)
    for name, value in other.items():
        differs = abs(value - losses[name]) > 1e-4 * value
        assert differs == name.startswith('loss_dist'), name
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        grad = _gradient(own, states, name)
        error = (parameter.grad - grad).norm() / grad.norm()
        assert grad.norm() > 0 and error < 1e-4, name


def _gradient(own, states, name):
    """Of a parameter by the model's name; shared ones are one leaf."""
    if own[name].grad is not None:
        return own[name].grad
    grads = {n: v.grad for n, v in states['dom'].items() if v.grad is not None}
    return convert(states['dom'] | grads, 'mae', 'project').state[name]


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_without_a_mixture_the_dominant_half_is_a_mae(teacher, share):
    path, weights = teacher
    model = imae(path)
    first, second, noise = pair()
    losses = losses_of(model, first, second, noise, share)
    seen, hidden = (first, second) if share else (second, first)
    _, states = plain_state(model)
    for branch, picture in (('dom', seen), ('sub', hidden)):
        # Of a mixture that is the one picture, the target may be the other.
        alone = reference_step(states, weights, seen, picture, noise, (1.0,))
        torch.testing.assert_close(
            losses[f'loss_rec_{branch}'], alone[f'loss_rec_{branch}']
        )
    ids = model.mask_sampler(None, noise)
    visible = model.backbone.encode(
        model.backbone.embed(seen), ids.ids_visible
    )
    model.neck.decoder_embed = model.embed_dom
    mae = model.head.loss(model.neck(visible, ids), seen, ids)
    torch.testing.assert_close(losses['loss_rec_dom'], mae)


def test_it_does_not_matter_which_picture_is_first(teacher):
    model = imae(teacher[0])
    first, second, noise = pair()
    one = losses_of(model, first, second, noise, 0.3)
    other = losses_of(model, second, first, noise, 1 - 0.3)
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(other[name], value)


def test_shares_of_pictures_are_those_of_a_loop(teacher):
    model = imae(teacher[0], per_picture=True)
    first, second, noise = pair()
    assert model.draw_share(first).shape == (6, 1, 1, 1)
    assert imae(teacher[0]).draw_share(first).shape == (1, 1, 1, 1)
    shares = (0.1, 0.5, 0.9, 0.3, 0.7, 0.2)
    together = losses_of(model, first, second, noise, *shares)
    alone = [
        losses_of(model, *(x[i : i + 1] for x in (first, second, noise)), s)
        for i, s in enumerate(shares)
    ]
    for name, value in together.items():
        mean = sum(losses[name] for losses in alone) / 6
        torch.testing.assert_close(value, mean)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_a_pair_alike(
    teacher,
):
    model = imae(teacher[0], from_teacher=True)
    images, noise = batch()
    losses = losses_of(model, images, images, noise, 0.3)
    for branch in BRANCHES:
        assert losses[f'loss_dist_{branch}'] < 1e-9
    # It has been the teacher's decoder, too.
    order = noise.argsort(1)
    state = teacher[1]
    tokens = reference.embed(state, images, 8)
    kept = [t[i[:VISIBLE]] for t, i in zip(tokens, order, strict=True)]
    encoded, _ = reference.encode(state, torch.stack(kept), 3, 4)
    pred = reference.decode(state, encoded, order, depth=2, heads=2)
    error = (pred - reference.patchify(images, 8)).square().mean(-1)
    expected = error.gather(1, order[:, VISIBLE:]).mean()
    torch.testing.assert_close(losses['loss_rec_sub'], expected)


def test_whose_latent_is_nearer():
    own = torch.tensor([[[1.0, 0]], [[0, 1.0]]])
    other = own.flip(0)
    assert identified(own * 3, own, other) == 1
    assert identified(other, own, other) == 0
    assert identified(own[:1].expand_as(own), own, other) == 0.5


def test_the_teacher_is_frozen_and_kept_nowhere(teacher):
    model = imae(teacher[0], from_teacher=True)
    network = model.teacher._network
    before = {n: v.clone() for n, v in network.state_dict().items()}
    trained = {id(p) for p in model.parameters()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        losses = model.loss(list(pair()[:2]), samples(pair()[2]))
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        assert not parameter.requires_grad and parameter.grad is None
        assert id(parameter) not in trained
        assert torch.equal(parameter, before[name]), name
    assert not network.training
    named = {n.partition('.')[0] for n in model.state_dict()}
    assert named == {
        *('backbone', 'neck', 'embed_sub', 'embed_dom', 'teacher_digest')
    }


def test_the_digest_is_of_the_linear_map_too(teacher, tmp_path):
    path, weights = teacher
    name = 'decoder_embed.bias'
    other = tmp_path / 'other.pth'
    torch.save(weights | {name: weights[name] + 1}, other)
    one, two = (imae(p).teacher_digest for p in (path, str(other)))
    assert not torch.equal(one, two)


def test_its_branches_can_be_judged(teacher):
    model = imae(teacher[0])
    images, _ = batch()
    (encoded,) = model.extract_feat(images)
    for found, branch in zip(
        branch_latents_of(model, images), BRANCHES, strict=True
    ):
        weights = getattr(model, f'embed_{branch}')
        expected = encoded[:, 1:] @ weights.weight.T + weights.bias
        torch.testing.assert_close(found, expected)


def test_what_starts_from_what(teacher, tmp_path):
    path, _ = teacher
    anew, started = imae(path, seed=1), imae(path, seed=1, from_teacher=True)
    assert (anew.starts_from, started.starts_from) == (None, str(path))
    weights = convert(torch.load(path)['model'], 'mae', 'project').state
    for branch in BRANCHES:
        own = getattr(started, f'embed_{branch}').weight
        assert torch.equal(own, weights['neck.decoder_embed.weight'])
        assert not torch.equal(own, getattr(anew, f'embed_{branch}').weight)
    # A runner initialises once more, and the file is let go of then.
    started.init_weights()
    assert torch.equal(started.embed_sub.weight, own)
    assert started.teacher.weights is None
    # --pretrained with a MAE: all but its linear map, of which here are two.
    account = load_pretrained(anew, weights)
    assert set(account.new) == {
        *(f'embed_{b}.{part}' for b in BRANCHES for part in ('weight', 'bias'))
    } | {'teacher_digest'}
    again = imae(save_mae(tmp_path, seed=3)[0], seed=2)
    assert not load_pretrained(again, started.state_dict()).new


def test_a_panel_shows_the_mixture_and_both_pictures(teacher):
    model = imae(teacher[0]).eval()
    images = batch()[0]
    panel = model.panel(images, seed=0)
    assert list(panel) == [
        *('other', 'mixed', 'attention', 'masked'),
        *('predicted dom', 'predicted sub'),
    ]
    for name, value in panel.items():
        shape = (6, 16) if name == 'attention' else images.shape
        assert value.shape == shape and value.isfinite().all()
    hidden = panel['masked'].unfold(2, 8, 8).unfold(3, 8, 8) == 0
    assert (hidden.all(-1).all(-1).all(1).sum((1, 2)) == 12).all()
    again = model.panel(images, seed=0)
    assert torch.equal(panel['masked'], again['masked'])


def test_one_picture_is_no_pair(teacher):
    images, noise = batch()
    with pytest.raises(TypeError, match="type='PicturePairs'"):
        imae(teacher[0]).loss(images, samples(noise))


def test_a_teacher_without_a_decoder(tmp_path):
    path, _ = save_teacher(tmp_path)
    with pytest.raises(ValueError, match=f'{path}: it has no decoder_embed'):
        imae(path)


def test_a_teacher_of_another_size(teacher):
    neck = IMAE['neck'] | dict(decoder_embed_dim=8)
    with pytest.raises(ValueError, match=r'set .*decoder_embed_dim=16'):
        imae(teacher[0], neck=neck)
    neck = IMAE['neck'] | dict(decoder_depth=1)
    message = 'to start from .*mae0.* model.from_teacher=False'
    with pytest.raises(ValueError, match=message):
        imae(teacher[0], neck=neck, from_teacher=True)
    assert len(imae(teacher[0], neck=neck).neck.decoder_blocks) == 1
    with pytest.raises(ValueError, match="kind='pixel' is none of"):
        imae(None, teacher=dict(type='MAETeacher', kind='pixel'))


def test_a_run_starts_from_its_teacher_and_says_where_labels_were(
    picture_folder, tmp_path, teacher
):
    path, weights = teacher
    options = {
        'train_dataloader.dataset.dataset.same_class_prob': 0.5,
        'train_cfg.max_epochs': 1,
        # It stays where it started.
        'optim_wrapper.optimizer.lr': 0.0,
    }
    work_dir = tmp_path / 'run'
    cfg = tiny_run(picture_folder, work_dir, path, options, config=IMAE_CONFIG)
    RUNNERS.build(cfg).train()
    saved = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    found = saved['state_dict']['embed_sub.weight']
    assert torch.equal(found, weights['decoder_embed.weight'])
    summary = (work_dir / 'summary.json').read_text()
    assert 'labels choose the pairs, 50% of one class' in summary
    assert (work_dir / 'panels/epoch_0001.png').is_file()
    assert (work_dir / 'curves.png').is_file()
    bad = tiny_run(
        picture_folder / 'train/red',
        tmp_path / 'flat',
        path,
        options,
        config=IMAE_CONFIG,
    )
    with pytest.raises(ValueError, match=r'labels need .*or set it to None'):
        RUNNERS.build(bare(bad)).train()
