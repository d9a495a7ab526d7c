import numpy as np
import pytest
from mmengine.dataset import default_collate
from PIL import Image
from torch.utils.data import DataLoader

from ccmim_mm.datasets import (
    PictureFolder,
    Seeded,
    SeededSampler,
    UnreadablePictureError,
)

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
    message = (
        r'train/red/0\.png lies in no class folder \(12 such\): .*move it'
    )
    with pytest.raises(ValueError, match=message):
        PictureFolder(
            str(picture_folder / 'train' / 'red'), [], with_label=True
        )


@pytest.fixture
def judged(tmp_path):
    """A function that reads folders of a picture each by a model's classes."""

    def read(folders, classes):
        for name in folders:
            (tmp_path / 'val' / name).mkdir(parents=True)
            Image.new('L', (8, 8)).save(tmp_path / 'val' / name / 'a.png')
        return PictureFolder(
            str(tmp_path / 'val'),
            with_label=True,
            metainfo=dict(classes=classes.split()),
        )

    return read


@pytest.mark.parametrize(
    ('folders', 'classes', 'labels'),
    [
        ('cat zebra', 'cat dog zebra', [0, 2]),
        ('cat dog zebra', 'zebra dog cat', [2, 1, 0]),
        ('dog', 'cat dog', [1]),
    ],
)
def test_classes_go_by_their_names(judged, folders, classes, labels, capfd):
    folders = folders.split()
    data = judged(folders, classes)
    rows = [data.get_data_info(i) for i in range(len(data))]
    assert [row['gt_label'] for row in rows] == labels
    assert data.metainfo['classes'] == classes.split()
    fewer = f'{len(folders)} of {len(classes.split())} classes, none of'
    assert (fewer in capfd.readouterr().out) == (
        len(folders) < len(classes.split())
    )


def test_a_folder_that_is_no_class_is_refused(judged):
    message = (
        r'val: class ant is not among cat, dog, zebra \(2 such\); call its '
        'folder as the class is called, or take it out'
    )
    with pytest.raises(ValueError, match=message):
        judged(['ant', 'bee', 'cat'], 'cat dog zebra')


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
