"""The study's other ways to choose masks do what they say."""

import copy

import pytest
import torch
from conftest import ROOT
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS, TASK_UTILS

from ccmim_mm.models import MaskedViT, RandomMaskSampler
from ccmim_tools.studies import expand, load_grid
from ccmim_tools.studies.mask_variants import CurriculumMaskSampler

VIT = dict(
    arch=dict(
        embed_dims=32, num_layers=3, num_heads=2, feedforward_channels=64
    ),
    img_size=32,
    patch_size=8,
)


def sample(kind, scores, noise, **kwargs):
    sampler = TASK_UTILS.build(dict(type=kind, mask_ratio=0.75, **kwargs))
    return sampler(scores, noise).mask


def encoder(kind, **kwargs):
    torch.manual_seed(0)
    vit = MODELS.build(dict(type=kind, **VIT, **kwargs))
    vit.init_weights()
    return vit.eval()


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(16, 64, generator=generator) * 0.05
    return scores, torch.rand(16, 64, generator=generator)


def test_ranks_do_not_mind_the_scale_of_scores(drawn):
    scores, noise = drawn
    masks = [
        sample('RankMaskSampler', s, noise)
        for s in (scores, 100 * scores, scores**3)
    ]
    assert masks[0].equal(masks[1]) and masks[0].equal(masks[2])
    order = scores.argsort(1).argsort(1) / 63 - noise
    highest = order.topk(48, 1).indices
    assert masks[0].gather(1, highest).all()


def test_standard_scores_do_not_mind_scale_and_shift(drawn):
    scores, noise = drawn
    mask = sample('StandardMaskSampler', scores, noise)
    assert sample('StandardMaskSampler', 7 * scores + 3, noise).equal(mask)
    assert not sample('StandardMaskSampler', -scores, noise).equal(mask)
    standard = (scores - scores.mean(1, True)) / scores.std(1, keepdim=True)
    order = standard - (noise - 0.5) * 12**0.5
    assert mask.gather(1, order.topk(48, 1).indices).all()


def test_half_of_the_most_attended_patches_are_hints(drawn):
    scores, noise = drawn
    scores = 100 * scores
    most = scores.topk(8, 1).indices
    shown = sample('HintMaskSampler', scores, noise, top=0.125, hint=0.5)
    plain = sample('AdditiveNoiseMaskSampler', scores, noise)
    assert (1 - shown.gather(1, most)).sum(1).eq(4).all()
    assert plain.gather(1, most).all()
    assert shown.sum(1).eq(48).all()


def test_a_curriculum_goes_from_random_masks_to_ranks(drawn):
    scores, noise = drawn
    hub = MessageHub.get_current_instance()
    sampler = CurriculumMaskSampler(0.75, ramp=0.5)
    hub.update_info('max_iters', 100)
    masks = {}
    for step in (0, 25, 50, 99):
        hub.update_info('iter', step)
        masks[step] = sampler(scores, noise).mask
    # Noise is subtracted there: the random sampler's order, turned round.
    assert masks[0].equal(RandomMaskSampler(0.75)(None, 1 - noise).mask)
    assert masks[50].equal(sample('RankMaskSampler', scores, noise))
    assert masks[99].equal(masks[50])
    assert not masks[25].equal(masks[0]) and not masks[25].equal(masks[50])


def test_late_scores_are_what_the_first_layers_lack():
    late, whole = encoder('LateScoresViT', skip=2), encoder('MaskedViT')
    first = encoder('MaskedViT', score_layers=2)
    tokens = torch.randn(2, 16, 32)
    expected = whole.score(tokens) - first.score(tokens)
    assert torch.allclose(late.score(tokens), expected, atol=1e-6)


def test_registers_take_part_and_are_not_seen():
    vit = encoder('RegisterViT', num_registers=3)
    inputs = torch.randn(2, 3, 32, 32)
    tokens = vit.embed(inputs)
    (found,) = vit(inputs)
    assert found.shape == (2, 17, 32)
    assert vit.score(tokens).shape == (2, 16)
    keep = torch.tensor([[1, 5, 7], [0, 2, 15]])
    kept = vit.encode(tokens, keep)
    assert kept.shape == (2, 4, 32)
    assert torch.allclose(vit.encode_cls(tokens, keep), kept[:, 0])
    # Left out they give the parent's result, which is another.
    plain = copy.deepcopy(vit)
    plain.__class__ = MaskedViT
    assert not torch.allclose(plain.encode(tokens), found, atol=1e-3)
    found.sum().backward()
    assert vit.registers.grad.abs().sum() > 0
    # As tokens without positions in front of the patches they are the same.
    whole = torch.cat((vit.registers.expand(2, -1, -1), tokens), 1)
    expected = plain.encode(whole)
    kept = torch.cat((expected[:, :1], expected[:, 4:]), 1)
    assert torch.allclose(kept, found, atol=1e-6)


def test_averaged_scores_follow_the_encoder_slowly():
    vit = encoder('AveragedScoresViT', momentum=0.75)
    tokens = torch.randn(2, 16, 32)
    plain = encoder('MaskedViT')
    plain.load_state_dict(vit.state_dict(), strict=False)
    assert torch.allclose(vit.score(tokens), plain.score(tokens), atol=1e-6)
    before = vit.averaged_layers[0].attn.qkv.weight.clone()
    with torch.no_grad():
        vit.layers[0].attn.qkv.weight += 1
    vit.score(tokens)
    assert vit.averaged_layers[0].attn.qkv.weight.equal(before)
    vit.train().score(tokens)
    moved = vit.averaged_layers[0].attn.qkv.weight
    assert torch.allclose(moved, before + 0.25, atol=1e-6)
    assert not any(p.requires_grad for p in vit.averaged_layers.parameters())


def test_the_grid_builds_every_variant():
    grid = load_grid(ROOT / 'configs/study/grid_masks.py')
    runs = expand(grid)
    assert {run.method for run in runs} == {*grid.methods, *grid.lengths}
    types = {
        value
        for run in runs
        for key, value in run.options.items()
        if key.endswith('.type')
    }
    known = {*MODELS.module_dict, *TASK_UTILS.module_dict}
    assert types <= known
