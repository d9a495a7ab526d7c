import math

import numpy as np
import pytest
import torch

from ccmim_mm.evaluation import (
    alpha_req,
    effective_rank,
    feature_std,
    rankme,
)


def with_spectrum(values, rows=64, mean=0.0, seed=0):
    """Features whose centred singular values are these."""
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((rows, len(values)))
    left = np.linalg.qr(left - left.mean(0))[0]
    right = np.linalg.qr(rng.standard_normal((40, 40)))[0][: len(values)]
    return torch.tensor(left * values @ right + mean)


def test_rankme_is_the_published_formula():
    features = with_spectrum([5.0, 3.0, 2.0], mean=0.7)
    sigma = np.linalg.svd(features.numpy(), compute_uv=False)
    shares = sigma / sigma.sum()
    shares = shares[shares > 1e-9]
    expected = math.exp(-(shares * np.log(shares)).sum())
    assert rankme(features) == pytest.approx(expected, rel=1e-5)
    assert rankme(with_spectrum([1.0] * 7)) == pytest.approx(7, rel=1e-5)
    # One vector for all pictures: a collapse, which centring would hide.
    assert rankme(torch.ones(8, 4)) == pytest.approx(1, rel=1e-5)
    assert rankme(torch.zeros(8, 4)) == 0


def test_blocks_of_rows_make_no_difference():
    features = torch.randn(20_000, 12) @ torch.randn(12, 12)
    sigma = torch.linalg.svdvals(features.double())
    shares = sigma / sigma.sum()
    expected = torch.special.entr(shares).sum().exp().item()
    assert rankme(features) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('alpha', [0.0, 0.5, 1.0, 2.5])
def test_alpha_is_the_exponent_of_a_power_law(alpha):
    places = np.arange(1, 31)
    features = with_spectrum(places ** (-alpha / 2), mean=3.0)
    assert alpha_req(features) == pytest.approx(alpha, abs=1e-6)
    # Scale and place of the features tell nothing.
    assert alpha_req(100 * features - 5) == pytest.approx(alpha, abs=1e-6)


def test_alpha_needs_two_directions():
    assert math.isnan(alpha_req(torch.ones(8, 4)))
    assert math.isnan(alpha_req(with_spectrum([2.0])))
    assert math.isnan(alpha_req(torch.randn(1, 4)))
    two = alpha_req(with_spectrum([2.0, 1.0]))
    assert two == pytest.approx(2.0, rel=1e-6)


def test_effective_rank_counts_directions():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(64, 3, generator=generator))[0]
    basis = basis - basis.mean(0)
    basis = torch.linalg.qr(basis)[0]
    lifted = basis @ torch.linalg.qr(torch.randn(8, 8))[0][:3] + 5.0
    assert effective_rank(lifted) == pytest.approx(3, rel=1e-4)
    uneven = lifted - 5.0
    u, s, v = torch.linalg.svd(uneven, full_matrices=False)
    s[:3] = torch.tensor([1.0, 1.0, 0.0])
    assert effective_rank(u * s @ v) == pytest.approx(2, rel=1e-4)
    shares = torch.tensor([0.5, 0.3, 0.2])
    s[:3] = shares.sqrt()
    entropy = -(shares * shares.log()).sum().item()
    assert effective_rank(u * s @ v) == pytest.approx(
        math.exp(entropy), rel=1e-4
    )
    assert effective_rank(torch.ones(8, 4)) == 0


def test_feature_std_is_one_on_the_sphere_and_zero_at_a_point():
    poles = torch.cat([torch.eye(4), -torch.eye(4)])
    assert feature_std(7 * poles) == pytest.approx(1)
    assert feature_std(torch.ones(5, 4)) == pytest.approx(0, abs=1e-7)
