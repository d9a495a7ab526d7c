"""Orders of an epoch: blocks of what lies together, shares of parts."""

import numpy as np
import pytest
import torch
from hostile_tars import shard
from mmengine.dataset import ConcatDataset, DefaultSampler

from ccmim_mm.datasets import (
    PictureFolder,
    PictureTars,
    Seeded,
    SeededInfiniteSampler,
    SeededSampler,
)
from ccmim_mm.datasets.orders import EpochOrder, physical_order


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'ccmim_mm.datasets.orders.print_log',
        lambda text, *_: lines.append(text),
    )
    return lines


def tars(root, order, per_shard=10, name='{:03d}.png'):
    """Shards in which pictures lie in an order."""
    order = list(order)
    for i in range(0, len(order), per_shard):
        members = {name.format(k): b'' for k in order[i : i + per_shard]}
        shard(root / f'{i:04d}.tar', members)
    dataset = PictureTars(data_root=str(root))
    dataset.full_init()
    return dataset


def folder(root, count, **options):
    root.mkdir()
    for i in range(count):
        (root / f'{i:03d}.png').touch()
    return PictureFolder(data_root=str(root), **options)


def twice(dataset):
    return dict(type='RepeatDataset', dataset=dataset, times=2)


@pytest.mark.parametrize('count', [1, 7, 64, 103])
def test_blocks_have_every_picture_once_and_stay_together(count):
    order = EpochOrder(range(count), 'blocks', block_size=8, window=2)
    first = order(3, 5)
    assert sorted(first.tolist()) == list(range(count))
    assert torch.equal(first, order(3, 5))
    if count < 64:
        return
    assert not torch.equal(first, order(3, 6))
    assert not torch.equal(first, order(4, 5))
    # A window is of two blocks, and shuffled; all but the short block's.
    windows = [first[i : i + 16] for i in range(0, count - 16, 16)]
    of_two = [w for w in windows if len((w // 8).unique()) == 2]
    short = count % 8 > 0
    assert len(of_two) >= (len(windows) if not short else 1)
    assert any(w.tolist() != sorted(w.tolist()) for w in windows)
    neighbours = (first[1:] // 8 == first[:-1] // 8).double().mean()
    assert 0.3 < neighbours < 0.7


def test_blocks_follow_the_disk(tmp_path):
    lie = np.random.default_rng(0).permutation(40)
    dataset = tars(tmp_path / 'data', lie)
    assert physical_order(Seeded(dataset)).tolist() == lie.tolist()
    order = EpochOrder(dataset, 'blocks', block_size=5, window=1)(0, 0)
    places = np.argsort(lie)[order.numpy()].reshape(8, 5)
    # Each block is five places in a row, in any order.
    assert (np.ptp(places, 1) == 4).all()
    # Of a part, likewise.
    some = PictureTars(data_root=str(tmp_path / 'data'), max_pictures=12)
    some.full_init()
    kept = [k for k in lie if k in some.order]
    assert [some.order[i] for i in physical_order(some)] == kept
    both = ConcatDataset([twice(dataset), some])
    assert sorted(physical_order(both)) == list(range(92))
    assert physical_order(both)[40] == 40 + lie[0]


def test_plain_orders_are_what_they_were():
    data = range(29)
    for shuffle in (True, False):
        ours = SeededSampler(data, shuffle=shuffle, seed=7)
        theirs = DefaultSampler(data, shuffle=shuffle, seed=7)
        for epoch in (0, 3):
            ours.set_epoch(epoch), theirs.set_epoch(epoch)
            assert [key.index for key in ours] == list(theirs)
        assert ours.state_dict()['order'] == ''


@pytest.mark.parametrize('count', [3, 29])
def test_ranks_share_blocks_out(count, monkeypatch):
    found = []
    for rank in range(4):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda r=rank: (r, 4)
        )
        sampler = SeededSampler(range(count), 'blocks', seed=1, block_size=4)
        keys = [key.index for key in sampler]
        # From anywhere.
        sampler.advance(3)
        assert [key.index for key in sampler] == keys[3:]
        found.append(keys)
    together = [k for group in zip(*found, strict=True) for k in group]
    order = EpochOrder(range(count), 'blocks', block_size=4)(1, 0).tolist()
    assert together == (order * 2)[: -(-count // 4) * 4]


def test_endless_blocks_are_epochs_of_blocks():
    sampler = SeededInfiniteSampler(range(20), 'blocks', 2, block_size=4)
    keys = iter(sampler)
    found = [next(keys) for _ in range(40)]
    for epoch in (0, 1):
        expected = EpochOrder(range(20), 'blocks', block_size=4)(2, epoch)
        part = found[20 * epoch : 20 * epoch + 20]
        assert [key.index for key in part] == expected.tolist()
        assert {key.epoch for key in part} == {epoch}


def test_shares_are_drawn_anew_of_each_part(tmp_path):
    one = folder(tmp_path / 'one', 20)
    other = tars(tmp_path / 'other', range(30))
    both = Seeded(ConcatDataset([twice(one), other]))
    sampler = SeededSampler(both, seed=1, shares=[1, 0.3], num_backups=2)
    assert len(sampler) == 49
    epochs = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        epochs.append([key.index for key in sampler])
    first, second, again = epochs
    assert first == again
    drawn = [{k for k in epoch if k >= 40} for epoch in (first, second)]
    assert [len(d) for d in drawn] == [9, 9] and drawn[0] != drawn[1]
    for epoch in (first, second):
        assert {k for k in epoch if k < 40} == set(range(40))
    assert both.get_data_info(45)['img_path'].startswith('tar://')
    state = sampler.state_dict()
    others = SeededSampler(both, seed=1, shares=[1, 0.31], num_backups=2)
    others.consumed = 1
    assert ('the order', 'shares 1, 0.3', 'shares 1, 0.31') in (
        others.differences(state)
    )


@pytest.mark.parametrize(
    'options, text',
    [
        (dict(shuffle='block'), 'True, False or'),
        (dict(shuffle='blocks', block_size=0), '1 or more'),
        (dict(shares=[0.5]), 'parts of a ConcatDataset'),
    ],
)
def test_orders_that_cannot_be_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        SeededSampler(range(9), seed=0, **options)


@pytest.mark.parametrize('shares', [[1], [1, 0], [1, 2]])
def test_shares_that_do_not_fit_are_refused(shares, tmp_path):
    parts = [folder(tmp_path / name, 3) for name in 'ab']
    with pytest.raises(ValueError, match='give 2 above 0 to 1'):
        SeededSampler(Seeded(ConcatDataset(parts)), seed=0, shares=shares)


def test_blocks_sorted_by_class_are_warned_of(tmp_path, said):
    lie = [(c, i) for c in 'abc' for i in range(30)]
    mixed = [lie[k] for k in np.random.default_rng(0).permutation(90)]
    for name, order in (('sorted', lie), ('mixed', mixed)):
        for i in range(0, 90, 30):
            members = {f'{c}/{k}.png': b'' for c, k in order[i : i + 30]}
            shard(tmp_path / name / f'{i}.tar', members)
        dataset = PictureTars(data_root=str(tmp_path / name))
        EpochOrder(Seeded(dataset), 'blocks')
        assert len(said) == 1, name
    assert 'sorted by class (98% of neighbours' in said[0]
    assert 'ccmim pack' in said[0]
    EpochOrder(Seeded(PictureTars(data_root=str(tmp_path / 'sorted'))))
    EpochOrder(Seeded(folder(tmp_path / 'flat', 9)), 'blocks')
    assert len(said) == 1
