"""The cache of shards: its bound, its locks, who goes first."""

import fcntl
import multiprocessing
import os
import random

import pytest
from hostile_tars import shard

from ccmim_mm.datasets.remote import cache as shard_cache
from ccmim_mm.datasets.remote.cache import ShardCache
from ccmim_mm.datasets.remote.store import ShardError, facts

pytestmark = pytest.mark.usefixtures('remote_settings')


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
