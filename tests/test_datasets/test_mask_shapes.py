import math

import numpy as np
import pytest
import torch
from conftest import build, samples

from ccmim_mm.datasets.seeded import seed_all
from ccmim_mm.datasets.transforms import (
    BlockMaskNoise,
    PackMaskedInputs,
    UnitMaskNoise,
)
from ccmim_mm.models import RandomMaskSampler


def draw(transform, count, seed=0):
    """Masks and noise, ``(count, grid, grid)``."""
    shape = (count, *transform.grid)
    seed_all(seed)
    results = [transform({}) for _ in range(count)]
    noise = np.stack([r['mask_noise'] for r in results]).reshape(shape)
    masks = noise >= 0.5
    assert noise.dtype == np.float32
    assert (noise < 1).all()
    assert (noise * 2**24 % 1 == 0).all()
    assert {r['num_masked'] for r in results} == {transform.num_masked}
    assert (masks.sum((1, 2)) == transform.num_masked).all()
    return masks, noise


def test_blocks_are_where_beit_v2_has_them():
    """Shares at a corner, an edge's middle and the centre, as measured of
    an independent generator over 4,000 masks of 75 patches."""
    masks, _ = draw(BlockMaskNoise(14, 0.38), 1500)
    share = masks.mean(0)
    assert masks[0].sum() == 75
    assert share.min() > 0.01
    for place, expected in (
        (share[[0, 0, -1, -1], [0, -1, 0, -1]], 0.05),
        (share[[0, 0, -1, -1, 6, 7, 6, 7], [6, 7, 6, 7, 0, 0, -1, -1]], 0.19),
        (share[6:8, 6:8], 0.72),
    ):
        error = 3 * math.sqrt(expected * (1 - expected) / len(masks))
        assert place.mean() == pytest.approx(expected, abs=error + 0.005)


def slow_blocks(grid, count, smallest):
    """The same algorithm on a set of places, by BEiT's description."""
    hidden = set()
    while len(hidden) < count:
        for _ in range(10):
            limit = count - len(hidden)
            area = np.random.uniform(smallest, limit)
            aspect = math.exp(np.random.uniform(math.log(0.3), -math.log(0.3)))
            h = round(math.sqrt(area * aspect))
            w = round(math.sqrt(area / aspect))
            if h >= grid or w >= grid or not h * w:
                continue
            y = np.random.randint(0, grid - h + 1)
            x = np.random.randint(0, grid - w + 1)
            new = {(y + i, x + j) for i in range(h) for j in range(w)} - hidden
            if 0 < len(new) <= limit:
                hidden |= new
                break
        else:
            places = [(i, j) for i in range(grid) for j in range(grid)]
            free = np.array([p for p in places if p not in hidden])
            order = np.random.permutation(len(free))
            more = free[order[: count - len(hidden)]]
            hidden |= {tuple(place) for place in more.tolist()}
    return hidden


def test_blocks_equal_a_slow_generator_of_the_same_draws():
    transform = BlockMaskNoise(8, 0.4, min_block=4)
    for seed in range(100):
        seed_all(seed)
        mask = transform.mask()
        seed_all(seed)
        expected = slow_blocks(8, 26, 4)
        assert {tuple(p) for p in np.argwhere(mask).tolist()} == expected


def test_units_are_whole_and_uniform():
    masks, _ = draw(UnitMaskNoise(14, 2, 0.6), 1000)
    assert masks[0].sum() == 120
    units = masks.reshape(-1, 7, 2, 7, 2)
    assert (units == units[:, :, :1, :, :1]).all()
    share = units[:, :, 0, :, 0].mean(0)
    error = 4.5 * math.sqrt(30 / 49 * 19 / 49 / len(masks))
    assert abs(share - 30 / 49).max() < error


def test_a_picture_has_one_mask_whatever_comes_before():
    transform = BlockMaskNoise(4, 0.5, min_block=2)
    one, other = (draw(transform, 3, seed=7)[1] for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(draw(transform, 3, seed=8)[1], one)


@pytest.mark.parametrize(
    ('transform', 'ratio'),
    [
        (BlockMaskNoise(4, 0.4, min_block=2), 0.4),
        (UnitMaskNoise(4, 2, 0.5), 0.5),
    ],
)
def test_the_sampler_hides_exactly_the_shape(transform, ratio):
    masks, noise = draw(transform, 5)
    ids = RandomMaskSampler(ratio)(None, torch.from_numpy(noise).flatten(1))
    assert torch.equal(ids.mask, torch.from_numpy(masks).flatten(1).float())


def packed(transform):
    results = transform(dict(img=np.zeros((32, 32, 3), np.uint8)))
    noise = results['mask_noise']
    sample = PackMaskedInputs(num_patches=16)(results)['data_samples']
    assert np.array_equal(sample.mask_noise, noise)
    return sample


def test_a_sampler_that_would_hide_others_is_refused(tiny_cfg):
    seed_all(0)
    carried = [packed(UnitMaskNoise(4, 2, 0.3)) for _ in range(2)]
    images = torch.zeros(2, 3, 32, 32)
    with pytest.raises(ValueError, match=r'which AdditiveNoise.* not keep'):
        build(tiny_cfg).loss(images, carried)
    tiny_cfg |= dict(
        align_head=None,
        mask_sampler=dict(type='RandomMaskSampler', mask_ratio=0.75),
    )
    message = r'masks of 8 patches and .* hides 12: .* to 0\.4688'
    with pytest.raises(ValueError, match=message):
        build(tiny_cfg).loss(images, carried)
    tiny_cfg['mask_sampler']['mask_ratio'] = 0.4688
    model = build(tiny_cfg)
    noise = model.mask_noise(images, carried)
    ids = model.mask_sampler(None, noise)
    assert torch.equal(ids.mask.bool(), noise >= 0.5)
    # Plain noise is checked against nothing.
    assert 'loss_rec' in model.loss(images, samples(torch.rand(2, 16)))


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: BlockMaskNoise(14, 1.0), 'hides 196 of 196'),
        (lambda: BlockMaskNoise(14, 0.0), 'hides 0 of 196'),
        (lambda: UnitMaskNoise(14, 3), 'divisor of 14'),
        (lambda: UnitMaskNoise(4, 2, 0.9), r'at most 0\.7500'),
    ],
)
def test_what_no_grid_can_give_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize('grid', [(4, 10), (12, 6)])
def test_masks_are_of_rows_and_columns(grid):
    """Whole units, and rectangles that reach every patch."""
    np.random.seed(0)
    units = UnitMaskNoise(grid, unit=2, mask_ratio=0.5)
    hidden = np.zeros(grid)
    for _ in range(200):
        results = units.transform({})
        mask = (results['mask_noise'] >= 0.5).reshape(grid)
        cells = mask.reshape(grid[0] // 2, 2, grid[1] // 2, 2)
        assert (cells == cells[:, :1, :, :1]).all()
        assert mask.sum() == results['num_masked'] == np.prod(grid) // 2
    blocks = BlockMaskNoise(grid, mask_ratio=0.4, min_block=4)
    for _ in range(200):
        mask = blocks.mask()
        assert mask.shape == grid
        assert mask.sum() == np.prod(grid) - int(np.prod(grid) * 0.6)
        hidden += mask
    assert hidden.min() > 0
    with pytest.raises(ValueError, match='set unit to a divisor of 2'):
        UnitMaskNoise((4, 6), unit=3)
