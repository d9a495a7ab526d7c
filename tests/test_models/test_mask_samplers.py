import pytest
import torch
from scipy import stats

from ccmim_mm.models.task_modules import (
    AdditiveNoiseMaskSampler,
    GumbelMaskSampler,
    RandomMaskSampler,
    TopKMaskSampler,
    top_masked_share,
)

SAMPLERS = [
    AdditiveNoiseMaskSampler,
    GumbelMaskSampler,
    RandomMaskSampler,
    TopKMaskSampler,
]


def draw(batch, patches, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, patches, generator=generator)


@pytest.mark.parametrize('sampler', SAMPLERS)
@pytest.mark.parametrize(
    ('patches', 'ratio', 'visible'),
    [
        (196, 0.75, 49),
        (64, 0.75, 16),
        # Float arithmetic as in the release: 100 * (1 - 0.9) < 10
        (100, 0.9, 9),
        (16, 0.01, 15),
        (16, 0.99, 0),
        (5, 0.5, 2),
    ],
)
def test_partition(sampler, patches, ratio, visible):
    scores, noise = draw(3, patches, 1), draw(3, patches, 2)
    ids = sampler(ratio)(scores, noise)
    assert ids.ids_visible.shape == (3, visible)
    both = torch.cat([ids.ids_visible, ids.ids_masked], dim=1)
    assert torch.equal(
        both.sort(1).values, torch.arange(patches).expand(3, -1)
    )
    # Restoring puts every patch back in its place.
    raster = both.gather(1, ids.ids_restore)
    assert torch.equal(raster, torch.arange(patches).expand(3, -1))
    expected = torch.ones(3, patches).scatter(1, ids.ids_visible, 0)
    assert torch.equal(ids.mask, expected)


@pytest.mark.parametrize('sampler', SAMPLERS)
def test_a_function_of_scores_and_noise_alone(sampler):
    scores, noise = draw(4, 49, 1), draw(4, 49, 2)
    torch.manual_seed(0)
    first = sampler()(scores, noise)
    torch.manual_seed(1)
    second = sampler()(scores, noise)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize('sampler', SAMPLERS[:2])
def test_higher_scores_are_masked_more(sampler):
    """Monotone in the score, on peaked scores and over many draws."""
    scores = torch.linspace(0, 3, 16).expand(4000, -1)
    share = sampler(0.5)(scores, draw(4000, 16)).mask.mean(0)
    # Neighbours 0.2 apart in score; the standard error is below 0.008.
    assert (share.diff() > -0.03).all()
    assert share[:4].mean() < 0.25
    assert share[-4:].mean() > 0.75


def test_top_k_masks_the_highest():
    scores = draw(5, 16)
    ids = TopKMaskSampler(0.75)(scores, draw(5, 16, 1))
    lowest = scores.sort(1).indices[:, :4]
    assert torch.equal(ids.ids_visible, lowest)


def test_random_is_uniform_and_needs_no_scores():
    share = RandomMaskSampler(0.75)(None, draw(8000, 16)).mask.mean(0)
    assert not RandomMaskSampler.needs_scores
    # Five standard errors
    assert (share - 0.75).abs().max() < 5 * (0.75 * 0.25 / 8000) ** 0.5


def test_gumbel_draws_in_proportion():
    """The first one masked is a draw from softmax(scores)."""
    logits = torch.tensor([0.0, 0.5, 1.0, 2.0])
    draws = 20000
    ids = GumbelMaskSampler(0.2)(logits.expand(draws, -1), draw(draws, 4))
    # int(4 * 0.8) = 3 are visible, so the single masked one is the draw.
    counts = torch.bincount(ids.ids_masked[:, 0], minlength=4)
    expected = logits.softmax(0).double() * draws
    p = stats.chisquare(counts, expected * draws / expected.sum()).pvalue
    assert p > 1e-3


def test_gumbel_survives_the_ends_of_the_noise():
    noise = torch.tensor([[0.0, 1 - 2**-24, 0.5, 0.25]])
    priority = GumbelMaskSampler().priority(torch.zeros(1, 4), noise)
    assert priority.isfinite().all()
    assert priority.argsort(1).tolist() == [[0, 3, 2, 1]]


def test_half_precision_scores_make_no_ties():
    """Scores that bf16 tells apart stay apart from the noise's steps."""
    noise = draw(64, 64)
    scores = torch.zeros(64, 64, dtype=torch.bfloat16)
    order = AdditiveNoiseMaskSampler()(scores, noise)
    expected = RandomMaskSampler()(None, -noise)
    assert torch.equal(order.mask, expected.mask)


@pytest.mark.parametrize('ratio', [0, 1, -0.1, 1.5])
def test_ratio_out_of_range(ratio):
    with pytest.raises(ValueError, match=r'mask_sampler\.mask_ratio'):
        RandomMaskSampler(ratio)


def test_top_masked_share():
    scores = torch.arange(20.0).expand(2, -1)
    mask = torch.zeros(2, 20)
    mask[0, 18:] = 1
    mask[1, 19] = 1
    assert top_masked_share(scores, mask) == 0.75
