"""Shards over HTTP: the same pictures, a bound that is kept, faults."""

import errno
import fcntl
import os
import pickle

import fsspec
import numpy as np
import pytest
from hostile_tars import shard
from mmengine import fileio
from remote_servers import drop, half, status, whole
from torch.utils.data import DataLoader

from ccmim_mm.datasets import (
    EpochOrder,
    PictureFolder,
    PictureTars,
    SampleKey,
    Seeded,
    fingerprint,
)
from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.remote import cache, store
from ccmim_mm.datasets.remote.store import ChangedShardError, ShardError, facts
from ccmim_mm.datasets.tars import remote_listing

pytestmark = pytest.mark.usefixtures('remote_settings')

PIPELINE = [dict(type='LoadUprightImage'), dict(type='PackInputs')]


def pattern(server, split='train'):
    count = len(list((server.root / split).glob('*.tar')))
    return f'{server.url}/{split}/shard-{{00000..{count - 1:05d}}}.tar'


def opened(root, **options):
    return PictureTars(data_root=str(root), **options)


def test_pictures_and_labels_are_those_of_the_folder(server, picture_folder):
    folder = PictureFolder(
        data_root=str(picture_folder), split='train', with_label=True
    )
    tars = opened(f'{server.url}/all.txt', split='train', with_label=True)
    local = opened(server.root, split='train')
    assert tars.metainfo['classes'] == ['blue', 'red']
    assert fingerprint(tars) == fingerprint(folder)
    order = {'shuffle': 'blocks', 'block_size': 4, 'window': 2}
    orders = [EpochOrder(data, **order) for data in (tars, local)]
    assert orders[0].name == orders[1].name
    assert orders[0](0, 1).tolist() == orders[1](0, 1).tolist()
    for one, other in zip(tars, folder, strict=True):
        assert one['gt_label'] == other['gt_label']
        with open(other['img_path'], 'rb') as file:
            assert fileio.get(one['img_path']) == file.read()
    for root in (pattern(server), f'{server.url}/train/shards.txt'):
        assert fingerprint(opened(root)) == fingerprint(folder)
    layout = find_layout(f'{server.url}/all.txt')
    assert layout.val == f'{server.url}/all.txt#val'
    # Each shard once, whoever wants it.
    shards = {n: c for n, c in server.fetched.items() if n.endswith('.tar')}
    assert set(shards.values()) == {1}


@pytest.mark.parametrize('workers', [0, 2])
def test_samples_of_two_epochs_are_the_same_to_the_bit(workers, server):
    """Through a cache of two shards."""
    local = Seeded(opened(server.root / 'train', pipeline=PIPELINE))
    sizes = [p.stat().st_size for p in server.root.glob('train/*.tar')]
    os.environ[cache.SIZE] = str(2 * max(sizes))
    remote = Seeded(opened(pattern(server), pipeline=PIPELINE))
    keys = [
        SampleKey(0, e, i)
        for e in (0, 1)
        for i in EpochOrder(remote)(0, e).tolist()
    ]
    loader = DataLoader(
        remote,
        None,
        sampler=keys,
        num_workers=workers,
        multiprocessing_context='fork' if workers else None,
    )
    for key, sample in zip(keys, loader, strict=True):
        assert np.array_equal(sample['inputs'], local[key]['inputs'])


def test_the_list_is_kept_and_holds_while_nothing_changes(server):
    root = pattern(server)
    first = list_pictures(root)
    before = server.fetched.total()
    assert list_pictures(root).shards() == first.shards()
    assert server.fetched.total() == before
    again = pickle.loads(pickle.dumps(first))
    assert again.path(root, 3) == first.path(root, 3)


def test_two_dropped_connections_are_no_matter(small):
    small.faults += [drop, drop]
    listing = list_pictures(f'{small.url}/a.tar')
    assert len(listing) == 2 and not small.faults


def test_a_server_that_gives_half(small, tmp_path):
    listing = list_pictures(f'{small.url}/a.tar')
    for path in (tmp_path / 'cache').glob('*.tar'):
        path.unlink()
    small.faults += [half] * 4
    path = listing.path('', 1)
    with pytest.raises(ShardError) as error:
        fileio.get(path)
    text = str(error.value)
    assert text.startswith(f'a1.png of {small.url}/a.tar: 5000 of 10000')
    assert text.endswith('asked 4 times')
    assert not list((tmp_path / 'cache').glob('*.[pt]ar*'))
    assert fileio.get(path) == b'\1' * 700


def test_no_other_picture_is_taken_for_one_that_does_not_come(small, tmp_path):
    data = Seeded(opened(f'{small.url}/a.tar', pipeline=PIPELINE))
    for path in (tmp_path / 'cache').glob('*.tar'):
        path.unlink()
    small.faults += [status(503)] * 4
    with pytest.raises(ShardError, match=r'a0.png of .*HTTP 503.*4 times'):
        data[SampleKey(0, 0, 0, (1,))]


def test_an_outage_is_no_missing_file(small, tmp_path):
    """Headers fail as contents do: fsspec calls all of it missing."""
    root = f'{small.url}/a.tar'
    # Each question is a HEAD and a GET.
    small.all_faults += [status(503)] * 4
    data = Seeded(opened(root, pipeline=PIPELINE))
    assert not small.all_faults
    for path in (tmp_path / 'cache').glob('*.tar'):
        path.unlink()
    for code, message in ((503, 'HTTP 503.*4 times'), (403, 'credentials')):
        small.all_faults = [status(code)] * 100
        with pytest.raises(ShardError, match=message):
            facts(root)
        with pytest.raises(ShardError, match=f'a0.png of .*{message}'):
            data[SampleKey(0, 0, 0, (1,))]
    with pytest.raises(ShardError, match='asked 4 times'):
        facts('http://127.0.0.1:1/a.tar')


def test_a_shard_that_is_gone_stops_the_run(small, tmp_path):
    data = Seeded(opened(f'{small.url}/a.tar', pipeline=PIPELINE))
    for path in (*(tmp_path / 'cache').glob('*.tar'), small.root / 'a.tar'):
        path.unlink()
    with pytest.raises(ShardError, match=r'a0.png of .*gone since it was'):
        data[SampleKey(0, 0, 0, (1,))]


def _no_folder(patch, path):
    path.write_bytes(b'no folder')
    patch.setenv(cache.FOLDER, str(path / 'cache'))


def _no_locks(patch, _path):
    def fails(*_args):
        raise OSError(errno.ENOLCK, 'No locks available')

    patch.setattr(fcntl, 'flock', fails)


def _smaller(patch, _path):
    patch.setenv(cache.SIZE, '9KB')


def _no_package(patch, path):
    def fails(_url):
        raise ImportError("pip install 'ccmim-mm[remote]'")

    patch.setattr(store, 'filesystem', fails)
    patch.setenv(cache.FOLDER, str(path))


@pytest.mark.parametrize(
    ('fault', 'message'),
    [
        (_no_folder, r'x/cache .*Not a directory.*set cache_dir'),
        (_no_locks, r'/cache .*No locks available.*set cache_dir'),
        (_smaller, 'the 9000 of the cache .*set cache_size'),
        (_no_package, r'ccmim-mm\[remote\].*/x'),
    ],
)
def test_a_cache_that_fails_is_no_fault_of_a_picture(
    fault, message, small, tmp_path, monkeypatch
):
    data = Seeded(opened(f'{small.url}/a.tar', pipeline=PIPELINE))
    with monkeypatch.context() as patch:
        fault(patch, tmp_path / 'x')
        with pytest.raises(ShardError, match=f'a0.png of .*{message}'):
            data[SampleKey(0, 0, 0, (1,))]


def test_several_ranks_are_told_that_they_wait(small, monkeypatch):
    said = []
    monkeypatch.setattr(
        remote_listing, 'print_log', lambda *a: said.append(a[0])
    )
    remote_listing.list_remote(f'{small.url}/a.tar', None)
    monkeypatch.setattr(remote_listing.dist, 'get_world_size', lambda: 2)
    remote_listing.list_remote(f'{small.url}/b.tar', None)
    assert said[0].endswith('the list is kept')
    assert 'dist_cfg.timeout' in said[1]
    assert said[1].endswith(f"list_pictures('{small.url}/b.tar')")


def test_a_store_whose_folders_tell_other_versions(small):
    """As fsspec's own in memory does."""
    store = fsspec.filesystem('memory')
    try:
        for path in small.root.iterdir():
            store.pipe_file(f'/folder/{path.name}', path.read_bytes())
        listing = list_pictures('memory://folder')
        assert len(listing) == 4
        assert fileio.get(listing.path('', 3)) == b'\1' * 700
        assert listing.shards()[1] == facts('memory://folder/b.tar')
    finally:
        store.rm('/folder', recursive=True)


@pytest.mark.parametrize(
    ('fault', 'message'),
    [
        (status(403), 'refuses these credentials'),
        (status(410), 'HTTP 410'),
        (whole, 'whole files and no ranges'),
    ],
    ids=['forbidden', 'gone', 'no ranges'],
)
def test_what_asking_again_does_not_mend(fault, message, small):
    small.faults += [fault] * 2
    with pytest.raises(ShardError, match=message):
        list_pictures(f'{small.url}/a.tar')
    assert len(small.faults) == 1


def test_a_shard_that_changed_is_refused_and_listed_anew(small, tmp_path):
    root = f'{small.url}/a.tar'
    listing = list_pictures(root)
    for path in (tmp_path / 'cache').glob('*.tar'):
        path.unlink()
    shard(small.root / 'a.tar', {f'{i}.png': b'new' for i in range(2)})
    with pytest.raises(ChangedShardError, match='changed since'):
        fileio.get(listing.path('', 0))
    assert list_pictures(root)[0] == '0.png'


def test_a_shard_of_half_its_pictures_gives_those(small):
    path = small.root / 'a.tar'
    path.write_bytes(path.read_bytes()[:1900])
    (sentence,) = list_pictures(f'{small.url}/a.tar').left_out
    assert 'cut off' in sentence


def test_what_is_not_there(small, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file.*/c\.tar'):
        list_pictures(f'{small.url}/c.tar')
    with pytest.raises(FileNotFoundError, match=r'/all\.txt'):
        list_pictures(f'{small.url}/all.txt')
    with pytest.raises(ValueError, match='HTTP lists no folders'):
        list_pictures(f'{small.url}/folder')


def test_a_bound_below_a_shard_is_refused(small, monkeypatch):
    monkeypatch.setenv(cache.SIZE, '9KB')
    with pytest.raises(ValueError, match=r'has 10240 bytes.*the 9000 of'):
        list_pictures(f'{small.url}/a.tar')
    assert not small.fetched
    monkeypatch.setenv(cache.SIZE, 'much')
    with pytest.raises(ValueError, match='cache_size of much'):
        list_pictures(f'{small.url}/a.tar')


def test_a_full_disk_is_said_and_leaves_nothing(small, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'posix_fallocate', full)
        with pytest.raises(ShardError, match=r'10240 bytes.*No space left'):
            list_pictures(f'{small.url}/a.tar')
    assert {p.name for p in (tmp_path / 'cache').iterdir()} == {'.lock'}
    assert len(list_pictures(f'{small.url}/a.tar')) == 2


def test_a_full_shuffle_through_a_small_cache_is_warned_of(small, monkeypatch):
    (small.root / 'all.txt').write_text('a.tar\nb.tar\n')
    data = opened(f'{small.url}/all.txt')
    said = []
    monkeypatch.setattr(
        'ccmim_mm.datasets.orders.print_log', lambda *a: said.append(a[0])
    )
    EpochOrder(data)
    assert not said
    monkeypatch.setenv(cache.SIZE, '11KB')
    EpochOrder(data)
    assert 'most pictures wait for a whole shard' in said[0]
