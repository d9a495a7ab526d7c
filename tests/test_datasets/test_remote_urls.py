"""URLs of shards: what they name, and what is never said of them."""

import sys

import pytest
from fsspec.registry import _registry
from mmengine import fileio
from mmengine.config import Config
from remote_servers import status

from ccmim_mm.datasets.data_root import apply_data_root
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.remote.store import ShardError
from ccmim_mm.datasets.remote.urls import (
    expand,
    is_remote,
    names_of_listing,
    parse_root,
    shown,
)

pytestmark = pytest.mark.usefixtures('remote_settings')


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
