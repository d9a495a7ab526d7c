"""Tar shards as a data set: pictures, labels, packing, reading."""

import hashlib
import multiprocessing
import os
import tarfile

import numpy as np
import pytest
from hostile_tars import shard
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from odd_pictures import NAMES, NO_CONTENT, UNREADABLE, encoded

from ccmim_mm.datasets import (
    LoadChannels,
    LoadUprightImage,
    PictureFolder,
    PicturePairs,
    PictureTars,
    SampleKey,
    Seeded,
    UnreadablePictureError,
    fingerprint,
)
from ccmim_mm.datasets.kept_listings import cache_file
from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.packing import pack
from ccmim_mm.datasets.tars import backend
from ccmim_mm.datasets.tars.backend import member_path, plain_path, split_path
from ccmim_tools.pack import size

PNG = encoded('PNG')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def contents(folder):
    """What every file is called and has."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def opened(root, **options):
    dataset = PictureTars(data_root=str(root), **options)
    dataset.full_init()
    return dataset


def names(root):
    listing = list_pictures(root)
    return [listing[i] for i in range(len(listing))]


def test_a_folder_and_its_shards_have_the_same_pictures(
    picture_folder, tmp_path
):
    pack(picture_folder, tmp_path / 'out', 20_000)
    for split in ('train', 'val'):
        options = dict(split=split, with_label=True)
        folder = PictureFolder(data_root=str(picture_folder), **options)
        tars = opened(tmp_path / 'out', **options)
        assert len(list((tmp_path / 'out' / split).glob('*.tar'))) > 1
        assert tars.metainfo['classes'] == ['blue', 'red']
        assert len(tars) == len(folder)
        assert fingerprint(tars) == fingerprint(folder)
        for one, other in zip(tars, folder, strict=True):
            assert one['gt_label'] == other['gt_label']
            path = one['img_path']
            with open(other['img_path'], 'rb') as file:
                assert fileio.get(path) == file.read()
            loads = (
                LoadUprightImage(),
                LoadImageFromFile(),
                LoadChannels(channels=3),
            )
            for load in loads:
                here, there = (
                    load(dict(img_path=i['img_path']))['img']
                    for i in (one, other)
                )
                assert np.array_equal(here, there)
    assert find_layout(tmp_path / 'out').val == tmp_path / 'out' / 'val'
    chosen = dict(split='train', max_pictures=7, subset_seed=1)
    picked = opened(tmp_path / 'out', **chosen)
    folder = PictureFolder(data_root=str(picture_folder), **chosen)
    assert picked.order.tolist() == folder.order.tolist()
    pairs = PicturePairs(data_root=str(tmp_path / 'out/train'))
    assert len(pairs) == 24


def test_the_same_folder_and_seed_give_the_same_bytes(
    picture_folder, tmp_path
):
    first, again, other = (
        pack(picture_folder, tmp_path / name, 20_000, seed)
        for name, seed in (('a', 1), ('b', 1), ('c', 2))
    )
    assert first == again and first.pictures == other.pictures == 34
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')
    differ = (
        contents(tmp_path / 'a').items() ^ contents(tmp_path / 'c').items()
    )
    assert {name for name, _ in differ} >= {'train/shard-00000.tar'}
    with tarfile.open(tmp_path / 'a/train/shard-00000.tar') as tar:
        entries = tar.getmembers()
    assert {(e.mtime, e.uid, e.gid, e.uname) for e in entries} == {
        (0, 0, 0, '')
    }
    # In no order of names or classes.
    found = [e.name for e in entries if e.name.endswith('.png')]
    assert found != sorted(found)
    # Shards of another folder, packed anew, are those of that folder.
    pack(tmp_path / 'c', tmp_path / 'd', 20_000, 1)
    assert contents(tmp_path / 'd') == contents(tmp_path / 'a')


def test_packing_leaves_nothing_half_written(
    picture_folder, tmp_path, monkeypatch
):
    out = tmp_path / 'out'
    out.mkdir()

    def full(descriptor):
        path = os.readlink(f'/proc/self/fd/{descriptor}')
        if path.endswith('shard-00001.tar'):
            raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('ccmim_mm.datasets.packing.os.fsync', full)
        with pytest.raises(OSError, match='No space'):
            pack(picture_folder, out, 20_000)
    assert not list(out.iterdir())
    assert {p.name for p in tmp_path.iterdir()} <= {'out', 'cache'}
    pack(picture_folder, out, 20_000)
    before = contents(out)
    with pytest.raises(FileExistsError, match='left untouched'):
        pack(picture_folder, out, 20_000)
    with pytest.raises(FileExistsError, match='in the data folder'):
        pack(picture_folder, picture_folder / 'shards', 20_000)
    assert contents(out) == before


def test_names_of_any_bytes_and_broken_files_come_through(tmp_path):
    root = tmp_path / 'data'
    (root / 'cat').mkdir(parents=True)
    for name in NAMES:
        (root / 'cat' / os.fsdecode(name)).write_bytes(PNG)
    (root / 'cat' / 'a:').mkdir()
    (root / 'cat' / 'a:' / '#%23.png').write_bytes(PNG)
    for i, kind in enumerate(UNREADABLE.values()):
        (root / 'cat' / f'bad {i}.{kind.suffix}').write_bytes(kind.content)
    expected = names(root)
    NO_CONTENT['sparse.jpg'](root / 'cat' / 'sparse.jpg')
    NO_CONTENT['dangling link.jpg'](root / 'cat' / 'dangling.jpg')
    packed = pack(root, tmp_path / 'shards', 4000)
    # What has no content is no file to pack.
    assert [line.split(': ')[0] for line in sorted(packed.left_out)] == [
        f'{root}/cat/dangling.jpg',
        f'{root}/cat/sparse.jpg',
    ]
    assert names(tmp_path / 'shards') == expected
    tars = opened(tmp_path / 'shards')
    load, unreadable = LoadUprightImage(), []
    for i in range(len(tars)):
        info = tars.get_data_info(i)
        folder, name, *_ = split_path(info['img_path'])
        assert name == expected[i] and folder.endswith('.tar')
        try:
            assert load(info)['img'].shape == (30, 40, 3)
        except UnreadablePictureError as error:
            unreadable.append(str(error))
    assert len(unreadable) == len(UNREADABLE)
    assert all('.tar#cat/bad ' in line for line in unreadable)
    assert not any('\n' in line for line in unreadable)


def test_a_bad_member_is_replaced_and_named(tmp_path):
    good = {f'{i}.png': PNG for i in range(4)}
    shard(tmp_path / 'a.tar', good | {'2.png': PNG[:60]})
    pipeline = [dict(type='LoadUprightImage'), dict(type='PackInputs')]
    data = Seeded(opened(tmp_path, pipeline=pipeline))
    sample = data[SampleKey(0, 0, 2, (3,))]['data_samples']
    assert '#3.png@' in sample.img_path
    (line,) = sample.unreadable
    assert f'{tmp_path}/a.tar#2.png@' in line


@pytest.mark.parametrize('folder', ['x://y', 'a#b.tar#', '100%23 %', 'ü\n'])
def test_paths_are_split_as_they_were_joined(folder):
    for name in ('1.png', 'http://x/1.png', 'a@1+2#.png', '\udce9%2F.png'):
        given = f'/{folder}/a.tar', name, 512, 99
        path = member_path(*given)
        assert path.count('://') == 1 and split_path(path) == given
        assert plain_path(path) == f'/{folder}/a.tar/{name}'
    assert plain_path('/a/b.png') == '/a/b.png'


def _read_all(paths, sender):
    sender.send([fileio.get(path) for path in paths])


def test_tars_are_read_by_forks_and_few_are_open(tmp_path, monkeypatch):
    for i in range(9):
        shard(tmp_path / f'{i}.tar', {f'{i}.png': bytes([i]) * 9})
    tars = opened(tmp_path)
    paths = [tars.get_data_info(i)['img_path'] for i in range(9)]
    expected = [bytes([i]) * 9 for i in range(9)]
    monkeypatch.setattr(backend, 'MOST_OPEN', 4)
    monkeypatch.setattr(backend, '_pool', backend._Pool())

    def open_tars():
        links = (
            os.path.join('/proc/self/fd', f)
            for f in os.listdir('/proc/self/fd')
        )
        found = (os.readlink(p) for p in links if os.path.lexists(p))
        return sum(str(tmp_path) in path for path in found)

    assert [fileio.get(path) for path in paths] == expected
    assert open_tars() == 4
    # As another thread of the parent might have it.
    backend._pool.lock.acquire()
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(False)
    child = context.Process(target=_read_all, args=(paths, sender))
    child.start()
    assert receiver.poll(60) and receiver.recv() == expected
    child.join()
    backend._pool.lock.release()
    assert [fileio.get(path) for path in paths] == expected
    with pytest.raises(OSError, match='ends 5 bytes too early'):
        end = (tmp_path / '0.tar').stat().st_size
        fileio.get(member_path(f'{tmp_path}/0.tar', 'x', end - 5, 10))
    with pytest.raises(OSError, match='more than the 1073741824'):
        fileio.get(member_path(f'{tmp_path}/0.tar', 'x', 0, 1 << 40))


def test_one_name_in_two_shards_is_refused(tmp_path):
    for name in ('a.tar', 'b.tar'):
        shard(tmp_path / name, {'0.png': PNG})
    with pytest.raises(ValueError, match=r'b\.tar: 0\.png is in a\.tar too'):
        list_pictures(tmp_path)


def test_a_folder_of_pictures_with_a_tar_stays_one(tmp_path):
    shard(tmp_path / 'backup.tar', {'x.png': PNG})
    (tmp_path / 'cat').mkdir()
    (tmp_path / 'cat' / '1.png').write_bytes(PNG)
    assert names(tmp_path) == ['cat/1.png']
    with pytest.raises(FileNotFoundError, match='no shards in'):
        opened(tmp_path)


def test_the_index_is_cached_until_a_shard_changes(tmp_path, monkeypatch):
    root = tmp_path / 'data'
    shard(root / 'a.tar', {'1.png': PNG, '1.cls': '3'})
    monkeypatch.setattr('ccmim_mm.datasets.listing._SETTLED', -1e9)
    first = list_pictures(root)

    def never(*args):
        raise AssertionError('the cache must be used')

    with monkeypatch.context() as patch:
        patch.setattr('ccmim_mm.datasets.listing.scan_shards', never)
        again = list_pictures(root)
        assert again.path(root, 0) == first.path(root, 0)
        assert again.classes()[0] == ['3']
        # Wherever the folder is by now.
        assert again.root == str(root)
    shard(root / 'a.tar', {'1.png': PNG, '2.png': PNG})
    assert names(root) == ['1.png', '2.png']
    shard(root / 'b.tar', {'3.png': PNG})
    assert names(root) == ['1.png', '2.png', '3.png']
    cache_file(root, None).write_bytes(b'broken')
    assert len(names(root)) == 3


def test_sizes_are_read_as_they_are_written():
    assert [size(t) for t in ('1GB', '512MiB', '7', '3 KB')] == [
        10**9, 512 << 20, 7, 3000,
    ]  # fmt: skip
    for text in ('0', '1.5GB', 'GB', '1 XB', '1iB', '-1'):
        with pytest.raises(ValueError):
            size(text)
