"""The listing of a folder: what is in it, and when it is believed."""

import fcntl
import os
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from odd_pictures import NO_CONTENT, NO_FILES

from ccmim_mm.datasets import PictureFolder, listing
from ccmim_mm.datasets.kept_listings import cache_file, load
from ccmim_mm.datasets.layouts import why_no_classes
from ccmim_mm.datasets.listing import list_pictures


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def test_listing_finds_nested_and_flat(tmp_path):
    root = tmp_path / 'data'
    (root / 'a' / 'b').mkdir(parents=True)
    (root / '.hidden').mkdir()
    for name in ('x.JPG', 'a/y.png', 'a/b/z.webp', 'a/n.txt', '.q.jpg'):
        (root / name).touch()
    (root / '.hidden' / 'h.jpg').touch()
    (root / 'a' / 'loop').symlink_to(root)
    listing = list_pictures(root)
    names = [listing[i] for i in range(len(listing))]
    assert names == ['a/b/z.webp', 'a/y.png', 'x.JPG']


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    lines = []
    monkeypatch.setattr(
        'ccmim_mm.datasets.listing.print_log',
        lambda text, *_: lines.append(text),
    )
    return lines


@pytest.fixture
def settled(monkeypatch):
    """A minute has passed since the folders changed."""
    later = time.time() + 60
    monkeypatch.setattr('ccmim_mm.datasets.listing.time.time', lambda: later)


@pytest.mark.usefixtures('settled')
def test_listing_is_cached_and_checked(tmp_path, monkeypatch):
    root = tmp_path / 'data'
    (root / 'a').mkdir(parents=True)
    (root / 'a' / '1.jpg').touch()
    assert len(list_pictures(root)) == 1
    cache = cache_file(root, None)
    assert cache.exists() and tmp_path / 'cache' in cache.parents

    def never(root):
        raise AssertionError('the cache must be used')

    with monkeypatch.context() as patch:
        patch.setattr('ccmim_mm.datasets.listing.scan', never)
        assert list_pictures(root)[0] == 'a/1.jpg'
    (root / 'a' / '2.jpg').touch()
    assert len(list_pictures(root)) == 2
    list_pictures(root)
    cache.write_bytes(b'broken')
    assert len(list_pictures(root)) == 2


def test_a_folder_that_still_changes_is_not_cached(tmp_path):
    root = tmp_path / 'data'
    root.mkdir()
    (root / '1.jpg').touch()
    list_pictures(root)
    assert not cache_file(root, None).exists()


@pytest.mark.usefixtures('settled')
def test_a_cache_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    root = tmp_path / 'data'
    root.mkdir()
    (root / '1.jpg').touch()

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('ccmim_mm.files.os.replace', full)
    assert len(list_pictures(root)) == 1
    (left,) = cache_file(root, None).parent.iterdir()
    assert left.suffix == '.lock' and not left.stat().st_size


@pytest.mark.usefixtures('settled')
@pytest.mark.parametrize('kind', ['folder', 'shards'])
def test_of_processes_that_start_together_one_lists(
    kind, tmp_path, monkeypatch
):
    """They cannot ask each other yet; a lock is an open file's, so threads
    stand for them."""
    root = tmp_path / 'data'
    root.mkdir()
    (root / '1.jpg').touch()
    if kind == 'shards':
        with tarfile.open(root / '0.tar', 'w') as tar:
            tar.add(root / '1.jpg', '1.jpg')
        (root / '1.jpg').unlink()
    begun, other_is_here, scans = Event(), Event(), []
    name = 'scan' if kind == 'folder' else 'scan_shards'
    real, flock = getattr(listing, name), fcntl.flock

    def scan(*args):
        scans.append(args)
        begun.set()
        if len(scans) == 2:
            other_is_here.set()
        assert other_is_here.wait(60)
        return real(*args)

    def wait(descriptor, how):
        if how == fcntl.LOCK_SH:
            other_is_here.set()
        flock(descriptor, how)

    monkeypatch.setattr(listing, name, scan)
    monkeypatch.setattr('fcntl.flock', wait)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(list_pictures, root)
        assert begun.wait(60)
        second = pool.submit(list_pictures, root)
        assert first.result()[0] == second.result()[0] == '1.jpg'
    assert len(scans) == 1


def test_where_nothing_can_be_locked_all_list(tmp_path, monkeypatch):
    (tmp_path / '1.jpg').touch()

    def refuse(*args):
        raise OSError(37, 'No locks available')

    monkeypatch.setattr('fcntl.flock', refuse)
    assert len(list_pictures(tmp_path)) == 1


def test_listing_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder'):
        list_pictures(tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match=r'looked for \.jpg'):
        list_pictures(tmp_path)


def names_of(root, **options):
    listing = list_pictures(root, **options)
    return [listing[i] for i in range(len(listing))]


def test_what_is_no_file_is_left_out_and_said(tmp_path, said):
    root = tmp_path / 'data'
    (root / 'cat').mkdir(parents=True)
    (root / 'cat' / 'a.jpg').touch()
    for name, make in {**NO_FILES, **NO_CONTENT}.items():
        make(root / 'cat' / name)
    (root / 'cat' / 'folder.jpg' / 'within.jpg').touch()
    assert names_of(root) == [
        'cat/a.jpg',
        'cat/dangling link.jpg',
        'cat/folder.jpg/within.jpg',
        'cat/link to itself.jpg',
        'cat/sparse.jpg',
    ]
    text = "left out 4 with a picture's name that are no files, first cat/dev"
    assert text in said[0]
    for name in NO_FILES:
        if name != 'folder.jpg':
            NO_FILES[name](root / name)
    assert why_no_classes(root) == ''
    (root / 'flat.jpg').touch()
    (root / 'z.jpg').touch()
    reason = ' has pictures beside its class folders, first flat.jpg'
    assert why_no_classes(root) == reason
    assert why_no_classes(root / 'cat/folder.jpg') == ' has no class folders'


@pytest.mark.usefixtures('settled')
def test_a_cached_listing_says_it_too(tmp_path, said):
    root = tmp_path / 'data'
    root.mkdir()
    (root / 'a.jpg').touch()
    os.mkfifo(root / 'two\nlines.jpg')
    first = list_pictures(root)
    assert cache_file(root, None).exists()
    assert list_pictures(root).left_out == first.left_out
    assert len(said) == 2 and said[0] == said[1]
    assert said[0].endswith(r'no files, first two\nlines.jpg')


def test_of_a_folder_and_links_to_it_the_folder_keeps_its_name(tmp_path, said):
    root = tmp_path / 'data'
    (root / 'm').mkdir(parents=True)
    (root / 'm' / '1.jpg').touch()
    for name in 'za':
        (root / name).symlink_to('m')
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / '2.jpg').touch()
    # Of two links to what lies elsewhere the first by name stays.
    for name in 'yb':
        (root / name).symlink_to(elsewhere)
    assert names_of(root) == ['b/2.jpg', 'm/1.jpg']
    text = 'left out 3 folders that are listed under another name, first a'
    assert said[0].endswith(text)


@pytest.mark.usefixtures('settled')
def test_other_pictures_at_a_folders_place_and_time_are_seen(tmp_path):
    """As archives have them that are unpacked with fixed times."""
    root = tmp_path / 'data'

    def unpack(*names):
        root.mkdir()
        for name in names:
            (root / name).touch()
        os.utime(root, (0, 0))

    unpack('a.jpg', 'b.jpg')
    assert names_of(root) == ['a.jpg', 'b.jpg']
    root.rename(tmp_path / 'old')
    unpack('a.jpg', 'c.jpg', 'd.jpg')
    assert names_of(root) == ['a.jpg', 'c.jpg', 'd.jpg']
    (root / 'c.jpg').unlink()
    os.utime(root, (0, 0))
    assert names_of(root) == ['a.jpg', 'd.jpg']


@pytest.mark.usefixtures('settled')
@pytest.mark.parametrize('name', ['../x.jpg', '/x.jpg', 'a/../../x.jpg'])
@pytest.mark.parametrize('where', ['names', 'folders'])
def test_a_cache_that_leaves_the_folder_is_not_believed(tmp_path, name, where):
    root = tmp_path / 'data'
    (root / 'a').mkdir(parents=True)
    (root / 'a' / '1.jpg').touch()
    (tmp_path / 'x.jpg').touch()
    assert names_of(root) == ['a/1.jpg']
    cache = cache_file(root, None)
    with np.load(cache) as data:
        content = dict(data)
    raw = np.frombuffer(name.encode(), np.uint8)
    ends = 'ends' if where == 'names' else 'folder_ends'
    end = len(content[where]) + len(raw)
    content[where] = np.concatenate([content[where], raw])
    content[ends] = np.append(content[ends], end)
    if where == 'folders':
        state = os.stat(tmp_path / 'x.jpg')
        row = [state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        content['stamps'] = np.vstack([content['stamps'], row])
    np.savez(cache, **content)
    assert load(cache) is None
    assert names_of(root) == ['a/1.jpg']


def folder_of(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def named(root, lines):
    """Paths that a names file keeps."""
    names_file = root.parent / 'names.txt'
    names_file.write_bytes(lines)
    data = PictureFolder(str(root), names_file=str(names_file))
    infos = [data.get_data_info(i)['img_path'] for i in range(len(data))]
    return [os.path.relpath(path, root) for path in infos]


def test_a_names_file_has_a_name_a_line(tmp_path):
    root = tmp_path / 'data'
    files = ('a/x y.jpg', 'a/1.jpg', 'b/1.jpg', 'b/only.jpg', 'top.jpg')
    folder_of(root, *files, 'c/top.jpg', os.fsdecode(b'b/caf\xe9.jpg'))
    found = named(root, b'x y.jpg\r\n\nb/1.jpg\nonly.jpg\ncaf\xe9.jpg')
    assert [os.fsencode(path) for path in found] == [
        b'a/x y.jpg',
        b'b/1.jpg',
        b'b/caf\xe9.jpg',
        b'b/only.jpg',
    ]
    # A whole path is no bare name.
    assert named(root, b'top.jpg') == ['top.jpg']
    with pytest.raises(ValueError, match=r'which 2 .* a/1\.jpg, b/1\.jpg'):
        named(root, b'1.jpg')
    with pytest.raises(
        ValueError, match=r'names 2 pictures .* first a/2\.jpg'
    ):
        named(root, b'only.jpg\na/2.jpg\nnone.jpg')
    with pytest.raises(ValueError, match='names no pictures'):
        named(root, b'\n')


def test_tars_that_are_not_read_are_told_of(tmp_path):
    """A folder beside them makes it a folder of pictures."""
    (tmp_path / 'logs').mkdir()
    (tmp_path / 'a.tar').touch()
    with pytest.raises(FileNotFoundError, match=r'1 .*tar there are read if'):
        list_pictures(tmp_path)
