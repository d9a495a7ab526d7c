"""Shards over HTTP: the same pictures, a bound that is kept, faults."""

import errno
import fcntl
import multiprocessing
import os
import pickle
import random
import sys

import fsspec
import numpy as np
import pytest
from fsspec.registry import _registry
from hostile_tars import shard
from mmengine import fileio
from mmengine.config import Config
from remote_servers import drop, half, serve, status, whole
from torch.utils.data import DataLoader

from ccmim_mm.datasets import (
    EpochOrder,
    PictureFolder,
    PictureTars,
    SampleKey,
    Seeded,
    fingerprint,
    remote_listing,
    remote_store,
    shard_cache,
)
from ccmim_mm.datasets.data_root import apply_data_root
from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.packing import pack
from ccmim_mm.datasets.remote_store import ChangedShardError, ShardError, facts
from ccmim_mm.datasets.remote_urls import (
    expand,
    is_remote,
    names_of_listing,
    parse_root,
    shown,
)
from ccmim_mm.datasets.shard_cache import ShardCache

PIPELINE = [dict(type='LoadUprightImage'), dict(type='PackInputs')]


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """Caches of the test's own, and no waiting."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    monkeypatch.setenv(shard_cache.FOLDER, str(tmp_path / 'cache'))
    monkeypatch.setenv(shard_cache.SIZE, '10MB')
    monkeypatch.setattr(remote_store, 'WAITS', (0, 0, 0))
    # Several blocks a shard.
    monkeypatch.setattr(remote_store, 'BLOCK', 10_000)


@pytest.fixture(scope='module')
def shards(picture_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp('remote') / 'data'
    pack(picture_folder, out, 20_000, seed=3)
    for split in ('train', 'val'):
        listing = [p.name for p in sorted((out / split).glob('*.tar'))]
        (out / split / 'shards.txt').write_text('\n'.join(listing))
    both = sorted(str(p.relative_to(out)) for p in out.rglob('*.tar'))
    (out / 'all.txt').write_text('# of both\n\n' + '\n'.join(both) + '\n')
    return out


@pytest.fixture
def server(shards):
    with serve(shards) as found:
        yield found


@pytest.fixture
def small(tmp_path):
    """A server of two shards of two members each."""
    root = tmp_path / 'small'
    for name in 'ab':
        members = {f'{name}{i}.png': bytes([i]) * 700 for i in range(2)}
        shard(root / f'{name}.tar', members)
    with serve(root) as found:
        yield found


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
    os.environ[shard_cache.SIZE] = str(2 * max(sizes))
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


def _read_at_random(seed, shards, members, bound, sender):
    """Pictures at random; the most bytes that were there at once."""
    cache = ShardCache(os.environ[shard_cache.FOLDER], bound)
    most, take = [0], ShardCache._take

    def watched(self, *args):
        take(self, *args)
        # Under the folder's lock, just after it grew.
        sizes = (p.stat().st_size for p in cache.folder.iterdir())
        most[0] = max(most[0], sum(sizes))

    ShardCache._take = watched
    rng, good = random.Random(seed), True
    for _ in range(25):
        place = rng.randrange(len(shards))
        with cache.reading(shards[place]) as descriptor:
            found = os.pread(descriptor, shards[place].size, 0)
            good &= found == members[place]
    sender.send((good, most[0]))


@pytest.mark.parametrize('held', [1, 2])
def test_the_bound_is_kept_with_several_readers(held, server, tmp_path):
    paths = sorted((server.root / 'train').glob('*.tar'))
    shards = [facts(f'{server.url}/train/{p.name}') for p in paths]
    bound = held * max(s.size for s in shards)
    assert bound < sum(s.size for s in shards)
    contents = [p.read_bytes() for p in paths]
    # What a killed process left.
    (tmp_path / 'cache').mkdir()
    (tmp_path / 'cache/left.part').write_bytes(bytes(9000))
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(False)
    args = (shards, contents, bound, sender)
    readers = [
        context.Process(target=_read_at_random, args=(seed, *args))
        for seed in range(3)
    ]
    for reader in readers:
        reader.start()
    found = []
    for _ in readers:
        assert receiver.poll(60)
        found.append(receiver.recv())
    for reader in readers:
        reader.join()
    assert all(good for good, _ in found)
    assert 0 < max(most for _, most in found) <= bound
    assert not list((tmp_path / 'cache').glob('*.part'))


def test_what_is_being_read_does_not_vanish(small, tmp_path):
    """Room is made once the reader is done: it holds the shared lock."""
    one, other = (facts(f'{small.url}/{n}.tar') for n in 'ab')
    cache = ShardCache(tmp_path / 'cache', one.size)
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(False)

    def fetch():
        with cache.reading(other):
            sender.send(len(list(cache.folder.glob('*.tar'))))

    with cache.reading(one) as descriptor:
        child = context.Process(target=fetch)
        child.start()
        content = os.pread(descriptor, one.size, 0)
        assert content == (small.root / 'a.tar').read_bytes()
        assert not receiver.poll(0)
    assert receiver.poll(60) and receiver.recv() == 1
    child.join()


def test_least_recently_used_goes_first(small, tmp_path):
    shard(small.root / 'c.tar', {'c.png': bytes(1500)})
    a, b, c = (facts(f'{small.url}/{n}.tar') for n in 'abc')
    cache = ShardCache(tmp_path / 'cache', 2 * a.size)
    for one in (a, b, a, c, a):
        with cache.reading(one):
            pass
    assert small.fetched == {'a.tar': 1, 'b.tar': 1, 'c.tar': 1}
    with cache.reading(b):
        pass
    assert small.fetched['b.tar'] == 2


def _path_of(descriptor):
    return os.readlink(f'/proc/self/fd/{descriptor}')


def test_who_makes_room_waits_for_no_fetch_that_begins(
    small, tmp_path, monkeypatch
):
    """One opens its part, another finds it free, and the first goes on."""
    cache = ShardCache(tmp_path / 'cache', 20_000)
    found, flock = facts(f'{small.url}/a.tar'), fcntl.flock
    fetching, inside = [], []

    def make_room():
        inside.append(True)
        with shard_cache.locked(cache.folder / '.lock'):
            assert cache._make_room(cache.folder / 'other.part', 9) is None
        inside.clear()

    def watched(descriptor, operation):
        part = '.part' in _path_of(descriptor)
        if part and not fetching and operation == fcntl.LOCK_EX:
            fetching.append(descriptor)
            make_room()
        if part and inside:
            # The folder is locked, and who fetches will want that, too.
            assert operation != fcntl.LOCK_EX
        flock(descriptor, operation)
        if part and inside and operation == fcntl.LOCK_UN:
            # The other one, which waited for just that.
            flock(fetching[0], fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setattr(fcntl, 'flock', watched)
    with cache.reading(found) as descriptor:
        content = os.pread(descriptor, found.size, 0)
    assert content == (small.root / 'a.tar').read_bytes()
    assert fetching and small.fetched['a.tar'] == 1
    assert not list(cache.folder.glob('*.part'))


def test_who_stops_waiting_leaves_what_another_one_fetches(
    small, tmp_path, monkeypatch
):
    cache, theirs = ShardCache(tmp_path / 'cache', 20_000), []

    def stopped(descriptor, operation):
        if operation == fcntl.LOCK_EX:
            theirs.extend(cache.folder.glob('*.part'))
            theirs[0].write_bytes(b'theirs')
            raise KeyboardInterrupt

    found = facts(f'{small.url}/a.tar')
    monkeypatch.setattr(fcntl, 'flock', stopped)
    with pytest.raises(KeyboardInterrupt), cache.reading(found):
        pass
    assert theirs[0].read_bytes() == b'theirs'


def test_a_part_that_somebody_replaced_is_no_shard(
    small, tmp_path, monkeypatch
):
    cache, download = ShardCache(tmp_path / 'cache', 20_000), []

    def replaced(*_args):
        (part,) = cache.folder.glob('*.part')
        part.unlink()
        part.write_bytes(b'theirs')
        download.append(part)

    found = facts(f'{small.url}/a.tar')
    monkeypatch.setattr(shard_cache, '_download', replaced)
    with (
        pytest.raises(ShardError, match=r'removed .* while it was fetched'),
        cache.reading(found),
    ):
        pass
    assert download[0].read_bytes() == b'theirs'
    assert not list(cache.folder.glob('*.tar'))


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
    patch.setenv(shard_cache.FOLDER, str(path / 'cache'))


def _no_locks(patch, _path):
    def fails(*_args):
        raise OSError(errno.ENOLCK, 'No locks available')

    patch.setattr(fcntl, 'flock', fails)


def _smaller(patch, _path):
    patch.setenv(shard_cache.SIZE, '9KB')


def _no_package(patch, path):
    def fails(_url):
        raise ImportError("pip install 'ccmim-mm[remote]'")

    patch.setattr(remote_store, 'filesystem', fails)
    patch.setenv(shard_cache.FOLDER, str(path))


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
    monkeypatch.setenv(shard_cache.SIZE, '9KB')
    with pytest.raises(ValueError, match=r'has 10240 bytes.*the 9000 of'):
        list_pictures(f'{small.url}/a.tar')
    assert not small.fetched
    monkeypatch.setenv(shard_cache.SIZE, 'much')
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
    monkeypatch.setenv(shard_cache.SIZE, '11KB')
    EpochOrder(data)
    assert 'most pictures wait for a whole shard' in said[0]


HOSTILE = [
    *('http://other/x.tar', '//other/x.tar', '/etc/x.tar', '../x.tar'),
    *(
        'a/../../x.tar',
        'file:///x.tar',
        'x.tar?sig=1',
        'x.tar#y',
        '%2e%2e/x.tar',
    ),
    *('.x.tar', 'x.txt', 'x', 'a\\x.tar', 'x\0.tar', 's3://b/x.tar', '-x.tar'),
    *('~/x.tar', '$HOME/x.tar', 'a//x.tar'),
]


@pytest.mark.parametrize('line', HOSTILE)
def test_a_listing_leads_nowhere_else(line):
    with pytest.raises(ValueError, match='line 3') as error:
        names_of_listing(f'ok.tar\n\n{line}\n', 'http://u:pw@h/l.txt?sig=2')
    assert 'pw' not in str(error.value) and 'sig=' not in str(error.value)


def test_listings_patterns_and_roots():
    text = '\n# x\na/b 1.tar\r\n  ü.tar'
    assert names_of_listing(text, 'u') == ['a/b 1.tar', 'ü.tar']
    with pytest.raises(ValueError, match='line 1 too'):
        names_of_listing('a.tar\na.tar', 'u')
    assert expand('h/{8..10}-{00..01}.tar') == [
        *('h/8-00.tar', 'h/8-01.tar', 'h/9-00.tar', 'h/9-01.tar'),
        *('h/10-00.tar', 'h/10-01.tar'),
    ]
    for bad in (
        *('{3..1}.tar', '{a..b}.tar', '*.tar', '{0..99999999}.tar'),
        *('{a,b}-{0..1}.tar', '*-{0..1}.tar', '}{0..1}.tar'),
    ):
        with pytest.raises(ValueError, match='range'):
            expand(bad)
    for bad in ('https://h/{000..001}/s-{0..1}.tar', 's3://b/{0..1}/f'):
        with pytest.raises(ValueError, match='last slash'):
            parse_root(bad)
    for bad in ('s3://bucket/data#train', 'https://h/a.tar#val'):
        with pytest.raises(ValueError, match=r'only a \.txt has parts'):
            parse_root(bad)
    assert parse_root('https://h:80/l.txt#val').split == 'val'
    assert [is_remote(r) for r in ('s3://b', 'tar:///x#y', '/a://b')] == [
        *(True, False, False)
    ]
    assert parse_root('s3://b/f/').kind == 'folder'


@pytest.mark.parametrize(
    'root', ['https://me:hunter2@h/a.tar', 'https://h/a.tar?sig=hunter2']
)
def test_passwords_are_refused_before_they_are_written(root):
    with pytest.raises(ValueError, match=r'https://h/a.tar: .*netrc') as error:
        apply_data_root(Config(dict(data_root=root)))
    assert 'hunter2' not in str(error.value)


@pytest.mark.parametrize(
    'secret', ['hunt/er2', 'hunt#er2', 'hunt?er2', '12/hunter2', 'h@u/nter2']
)
def test_passwords_of_any_characters_are_refused(secret):
    roots = [f's3://AKIA:{secret}@bucket/data']
    if '@' not in secret and secret[0] != '1':
        roots.append(f's3://AKIA:{secret}')
    for root in roots:
        with pytest.raises(ValueError, match='netrc') as error:
            parse_root(root)
        for word in ('AKIA', 'hunt', 'er2'):
            assert word not in str(error.value)


def test_what_is_shown_of_urls():
    assert (
        shown('no s3://AKIA:ab/c@d@bucket/x here') == 'no s3://bucket/x here'
    )
    for plain in (
        *('https://h:80/a.tar#b@c@1+2', 's3://b/a@b', 'https://[::1]:80/a@b'),
        *('https://h:80', 's3://arn:aws:s3:eu:1:accesspoint/n/a@b'),
    ):
        assert shown(plain) == plain
    for good in (
        *('s3://arn:aws:s3:eu:1:accesspoint/n/f', 'https://h:80/a@b.tar'),
        *('https://[::1]:80/a.tar', 's3://b/a@b'),
    ):
        assert parse_root(good).url == good


def test_a_signature_goes_along_and_is_never_said(
    small, tmp_path, monkeypatch
):
    monkeypatch.setenv('CCMIM_URL_QUERY', 'sig=hunter2')
    listing = list_pictures(f'{small.url}/a.tar')
    assert set(small.queries) == {'sig=hunter2'}
    assert 'hunter2' not in listing.path('', 0)
    assert shown(f'{small.url}/a.tar?sig=hunter2') == f'{small.url}/a.tar'
    for path in tmp_path.rglob('*'):
        assert 'hunter2' not in path.name
        if path.is_file():
            assert b'hunter2' not in path.read_bytes()
    small.faults += [status(410)]
    for path in (tmp_path / 'cache').glob('*.tar'):
        path.unlink()
    with pytest.raises(ShardError) as error:
        fileio.get(listing.path('', 0))
    assert 'hunter2' not in str(error.value)
    with pytest.raises(FileNotFoundError) as error:
        list_pictures(f'{small.url}/c.tar')
    assert 'hunter2' not in str(error.value)


def test_a_password_comes_from_netrc(small, tmp_path, monkeypatch):
    netrc = tmp_path / 'netrc'
    netrc.write_text('machine 127.0.0.1 login me password hunter2')
    netrc.chmod(0o600)
    monkeypatch.setenv('NETRC', str(netrc))
    list_pictures(f'{small.url}/a.tar')
    assert set(small.users) == {'me'}


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 's3fs', None)
    monkeypatch.delitem(_registry, 's3', raising=False)
    with pytest.raises(ImportError, match=r"pip install 'ccmim-mm\[remote\]'"):
        list_pictures('s3://bucket/folder')
    with pytest.raises(ValueError, match='Protocol not known'):
        list_pictures('nonsense://bucket/folder')
    monkeypatch.setitem(sys.modules, 'fsspec', None)
    with pytest.raises(ImportError, match=r"pip install 'ccmim-mm[[]remote"):
        list_pictures('https://h/a.tar')
