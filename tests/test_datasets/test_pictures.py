import os
import time

import numpy as np
import pytest
from mmengine.dataset import default_collate
from PIL import Image
from torch.utils.data import DataLoader

from ccmim_mm.datasets import (
    LoadUprightImage,
    PictureFolder,
    Seeded,
    SeededSampler,
    UnreadablePictureError,
)
from ccmim_mm.datasets.listing import _cache_file, list_pictures

PIPELINE = [
    dict(type='LoadUprightImage'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=32,
        crop_ratio_range=(0.2, 1.0),
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5),
    dict(type='PackMaskedInputs', num_patches=16),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def load(path):
    return LoadUprightImage()(dict(img_path=str(path)))['img']


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'bmp', 'tiff'])
def test_formats_come_out_bgr(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.new('RGB', (20, 10), (200, 100, 50)).save(path)
    img = load(path)
    assert img.shape == (10, 20, 3) and img.dtype == np.uint8
    assert np.abs(img.astype(int) - (50, 100, 200)).max() <= 3


@pytest.mark.parametrize(
    ('mode', 'colour', 'expected'),
    [
        ('L', 90, (90, 90, 90)),
        ('LA', (90, 255), (90, 90, 90)),
        ('RGBA', (10, 20, 30, 255), (30, 20, 10)),
        ('RGBA', (10, 20, 30, 0), (255, 255, 255)),
        ('P', 0, (0, 0, 0)),
        ('1', 1, (255, 255, 255)),
        ('I;16', 0x8000, (128, 128, 128)),
    ],
)
def test_modes(tmp_path, mode, colour, expected):
    path = tmp_path / 'a.png'
    Image.new(mode, (6, 5), colour).save(path)
    assert (load(path) == expected).all()


def test_cmyk(tmp_path):
    Image.new('CMYK', (8, 8), (255, 0, 0, 0)).save(tmp_path / 'a.jpg')
    blue, green, red = load(tmp_path / 'a.jpg')[4, 4].astype(int)
    assert red < 60 and green > 120 and blue > 150


def test_exif_rotation_is_undone(tmp_path):
    image = Image.new('RGB', (20, 10))
    image.paste((255, 255, 255), (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # taken turned: rotate by 90 degrees to see it upright
    image.save(tmp_path / 'a.jpg', exif=exif, quality=95)
    img = load(tmp_path / 'a.jpg')
    assert img.shape == (20, 10, 3)
    assert img[:8].mean() > 240 and img[12:].mean() < 15


@pytest.mark.parametrize('content', [b'', b'no picture', None])
def test_unreadable(tmp_path, content):
    path = tmp_path / 'a.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadablePictureError, match=r'a\.jpg'):
        load(path)


def test_truncated(tmp_path):
    path = tmp_path / 'a.jpg'
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UnreadablePictureError):
        load(path)


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


def settle(root):
    """Make a folder look as if it had not changed for a minute."""
    past = time.time() - 60
    for folder, _, _ in os.walk(root):
        os.utime(folder, (past, past))


def test_listing_is_cached_and_checked(tmp_path, monkeypatch):
    root = tmp_path / 'data'
    (root / 'a').mkdir(parents=True)
    (root / 'a' / '1.jpg').touch()
    settle(root)
    assert len(list_pictures(root)) == 1
    cache = _cache_file(root, None)
    assert cache.exists() and tmp_path / 'cache' in cache.parents

    def never(root):
        raise AssertionError('the cache must be used')

    with monkeypatch.context() as patch:
        patch.setattr('ccmim_mm.datasets.listing.scan', never)
        assert list_pictures(root)[0] == 'a/1.jpg'
    (root / 'a' / '2.jpg').touch()
    assert len(list_pictures(root)) == 2
    settle(root)
    list_pictures(root)
    cache.write_bytes(b'broken')
    assert len(list_pictures(root)) == 2


def test_a_folder_that_still_changes_is_not_cached(tmp_path):
    root = tmp_path / 'data'
    root.mkdir()
    (root / '1.jpg').touch()
    list_pictures(root)
    assert not _cache_file(root, None).exists()


def test_a_cache_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    root = tmp_path / 'data'
    root.mkdir()
    (root / '1.jpg').touch()
    settle(root)

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('ccmim_mm.files.os.replace', full)
    assert len(list_pictures(root)) == 1
    assert not list(_cache_file(root, None).parent.iterdir())


def test_listing_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder'):
        list_pictures(tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match=r'looked for \.jpg'):
        list_pictures(tmp_path)


def test_labels(picture_folder):
    data = PictureFolder(str(picture_folder / 'train'), [], with_label=True)
    assert data.metainfo['classes'] == ['blue', 'red']
    assert [data.get_data_info(i)['gt_label'] for i in (0, 23)] == [0, 1]
    part = PictureFolder(
        str(picture_folder / 'train'), [], with_label=True, max_pictures=10
    )
    rows = [part.get_data_info(i) for i in range(len(part))]
    assert len({row['img_path'] for row in rows}) == 10
    for row in rows:
        name = data.metainfo['classes'][row['gt_label']]
        assert f'/{name}/' in row['img_path']
    with pytest.raises(ValueError, match='lies in none'):
        PictureFolder(
            str(picture_folder / 'train' / 'red'), [], with_label=True
        )


def epoch(root, number, workers=0, **sampler):
    """Every sample of an epoch by picture, as (inputs, noise)."""
    data = Seeded(PictureFolder(str(root), PIPELINE))
    order = SeededSampler(data, seed=3, **sampler)
    order.set_epoch(number)
    loader = DataLoader(
        data,
        5,
        sampler=order,
        num_workers=workers,
        collate_fn=default_collate,
    )
    found = {}
    for batch in loader:
        for inputs, sample in zip(
            batch['inputs'], batch['data_samples'], strict=True
        ):
            found[sample.sample_idx] = (inputs.numpy(), sample.mask_noise)
    return found


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_picture_depends_on_seed_epoch_and_index_alone(picture_folder):
    root = picture_folder / 'train'
    first = epoch(root, 4)
    assert len(first) == 24
    for other in (
        epoch(root, 4, workers=2),
        epoch(root, 4, shuffle=False),
    ):
        assert all(equal(first[i], other[i]) for i in first)
    later = epoch(root, 5)
    assert not any(equal(first[i], later[i]) for i in first)
    noise = np.stack([noise for _, noise in first.values()])
    assert noise.shape == (24, 16) and noise.dtype == np.float32
    assert noise.min() >= 0 and noise.max() < 1


def test_pictures_leave_the_global_random_state_alone(picture_folder):
    np.random.seed(0)
    expected = np.random.rand(3)
    np.random.seed(0)
    epoch(picture_folder / 'train', 0)
    assert np.array_equal(np.random.rand(3), expected)


def test_an_unreadable_picture_is_replaced_by_the_next(tmp_path):
    for i in range(6):
        Image.new('RGB', (40, 40), (i * 40, 0, 0)).save(tmp_path / f'{i}.png')
    (tmp_path / '2.png').write_bytes(b'broken')
    (tmp_path / '3.png').write_bytes(b'broken too')
    data = Seeded(PictureFolder(str(tmp_path), PIPELINE))
    keys = list(SeededSampler(data, shuffle=False, seed=0))
    sample = data[keys[2]]
    assert sample['data_samples'].sample_idx == 4
    failed = sample['data_samples'].unreadable
    assert [('2.png' in failed[0]), ('3.png' in failed[1])] == [True, True]
    # The replacement is what picture 4 is in this epoch anyway.
    assert np.array_equal(sample['inputs'], data[keys[4]]['inputs'])
    assert 'unreadable' not in data[keys[4]]['data_samples']


def test_nothing_readable(tmp_path):
    for i in range(3):
        (tmp_path / f'{i}.png').write_bytes(b'broken')
    data = Seeded(PictureFolder(str(tmp_path), PIPELINE))
    with pytest.raises(UnreadablePictureError, match='check the data folder'):
        data[next(iter(SeededSampler(data, seed=0)))]
