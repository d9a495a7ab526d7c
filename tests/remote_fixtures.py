"""What tests of shards at URLs share."""

import pytest
from hostile_tars import shard
from remote_servers import serve

from ccmim_mm.datasets.packing import pack
from ccmim_mm.datasets.remote import cache, store


@pytest.fixture
def remote_settings(tmp_path, monkeypatch):
    """Caches of the test's own, and no waiting."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / 'cache'))
    monkeypatch.setenv(cache.SIZE, '10MB')
    monkeypatch.setattr(store, 'WAITS', (0, 0, 0))
    # Several blocks a shard.
    monkeypatch.setattr(store, 'BLOCK', 10_000)


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
