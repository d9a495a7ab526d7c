import math

import pytest
import torch

from ccmim_mm.evaluation import (
    effective_rank,
    feature_std,
    object_cover,
    on_object,
)


def test_cover_counts_judged_pixels_alone():
    label_map = torch.zeros(1, 4, 4, dtype=torch.uint8)
    label_map[0, :2, :2] = torch.tensor([[3, 0], [255, 255]])
    label_map[0, :2, 2:] = 255
    label_map[0, 2:, :2] = 1
    assert object_cover(label_map, 2).tolist() == [[0.5, 0.0, 1.0, 0.0]]


def test_a_grid_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='no grid of 3 x 3'):
        object_cover(torch.zeros(1, 4, 4), 3)


def test_equal_weights_find_the_objects_share():
    cover = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    even = on_object(torch.full((2, 4), 0.3), cover)
    torch.testing.assert_close(even, cover.mean(1))
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    assert on_object(mask, cover).tolist() == [0.75, 0.0]


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
