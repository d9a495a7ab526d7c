import math
import shutil

import numpy as np
import pytest
from PIL import Image
from test_datasets.test_pictures import PIPELINE
from torch.utils.data import DataLoader

from ccmim_mm.datasets import (
    PictureFolder,
    PicturePairs,
    Seeded,
    SeededSampler,
    UnreadablePictureError,
    fingerprint,
)
from ccmim_mm.datasets.seeded import seed_all


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def folder(tmp_path):
    """Three classes of 3, 4 and 5 pictures, each of one colour."""
    for number, count in enumerate((3, 4, 5)):
        place = tmp_path / 'data' / f'class{number}'
        place.mkdir(parents=True)
        for i in range(count):
            colour = (60 * number + 30, 20 * i, 0)
            Image.new('RGB', (40, 40), colour).save(place / f'{i}.png')
    return tmp_path / 'data'


def pairs(root, **options):
    return PicturePairs(data_root=str(root), pipeline=PIPELINE, **options)


def names(data):
    return [data.get_data_info(i)['img_path'] for i in range(len(data))]


def drawn(data, idx, count):
    seed_all(idx, count)
    return np.array([data._draw(idx) for _ in range(count)])


def epoch(data, number=0, workers=0, **sampler):
    """Every sample of an epoch by picture."""
    data = Seeded(data)
    order = SeededSampler(data, seed=3, **sampler)
    order.set_epoch(number)
    loader = DataLoader(
        data, None, sampler=order, num_workers=workers, collate_fn=None
    )
    return {sample['data_samples'].sample_idx: sample for sample in loader}


def test_a_pair_is_a_function_of_seed_epoch_and_index(folder):
    data = pairs(folder)
    first = epoch(data)
    assert len(first) == 12
    # What the picture is without a partner, noise included.
    alone = epoch(PictureFolder(str(folder), PIPELINE))
    for others in (
        epoch(data, workers=2),
        epoch(data, shuffle=False),
    ):
        for i, sample in first.items():
            one, two = sample['inputs']
            for a, b in zip((one, two), others[i]['inputs'], strict=True):
                assert np.array_equal(a, b)
            assert np.array_equal(one, alone[i]['inputs'])
            assert np.array_equal(
                sample['data_samples'].mask_noise,
                alone[i]['data_samples'].mask_noise,
            )
            assert not np.array_equal(one, two)
    later = epoch(data, number=1)
    changed = [
        not np.array_equal(first[i]['inputs'][1], later[i]['inputs'][1])
        for i in first
    ]
    assert sum(changed) > 6
    assert fingerprint(data) == fingerprint(PictureFolder(str(folder)))


def test_partners_are_uniform_over_the_others(folder):
    data = pairs(folder)
    for idx in (0, 5, 11):
        counts = np.bincount(drawn(data, idx, 3000), minlength=12)
        assert counts[idx] == 0 and len(counts) == 12
        others = np.delete(counts, idx) / 3000
        error = math.sqrt(1 / 11 * 10 / 11 / 3000)
        assert (abs(others - 1 / 11) < 4 * error).all()


@pytest.mark.parametrize('subset', [{}, dict(max_pictures=10, subset_seed=1)])
@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_partners_of_the_same_class_are_as_many_as_asked(
    folder, share, subset
):
    data = pairs(folder, same_class_prob=share, **subset)
    classes = np.array([p.split('/')[-2] for p in names(data)])
    for idx in (0, 4, len(data) - 1):
        partners = drawn(data, idx, 2000)
        assert idx not in partners
        same = classes[partners] == classes[idx]
        error = math.sqrt(share * (1 - share) / 2000)
        assert abs(same.mean() - share) <= 3 * error
        # All of either kind are drawn, about as often.
        for kind in (same, ~same):
            found, counts = np.unique(partners[kind], return_counts=True)
            if kind.any():
                assert counts.min() > 0.5 * counts.max()
                wanted = (classes == classes[idx]) == same[kind][0]
                wanted[idx] = False
                assert set(found) == set(np.flatnonzero(wanted))
    assert str(round(100 * share)) in data.metainfo['notes'][0]
    assert 'notes' not in pairs(folder).metainfo


def test_a_partner_that_cannot_be_read_is_replaced(folder):
    for path in sorted(folder.rglob('*.png'))[:4]:
        path.write_bytes(b'broken')
    found = epoch(pairs(folder), shuffle=False)
    reported = [
        line
        for sample in found.values()
        for line in sample['data_samples'].get('unreadable', ())
    ]
    # The first picture stands in for itself and for the next that failed.
    assert reported and all('png' in line for line in reported)
    good = epoch(PictureFolder(str(folder), PIPELINE), shuffle=False)
    assert found.keys() == good.keys() == {*range(4, 12)}
    for sample in found.values():
        assert len(sample['inputs']) == 2
    # A picture's own failures come along with its partner's.
    data = Seeded(pairs(folder))
    order = SeededSampler(data, shuffle=False, seed=0)
    first = next(data[key] for key in order)['data_samples'].unreadable
    assert [f'class0/{i}.png' in first[i] for i in range(3)] == [True] * 3


def test_no_partner_can_be_read(folder):
    pictures = sorted(folder.rglob('*.png'))
    for path in pictures[1:]:
        path.write_bytes(b'broken')
    with pytest.raises(UnreadablePictureError, match='none of 8 partners'):
        pairs(folder)[0]


def test_what_cannot_be_paired_is_refused(folder):
    with pytest.raises(ValueError, match=r'same_class_prob=1.5 .*\[0, 1\]'):
        pairs(folder, same_class_prob=1.5)
    flat = folder / 'class0'
    with pytest.raises(ValueError, match=r'labels need .*or set it to None'):
        pairs(flat, same_class_prob=0.5)
    assert len(pairs(flat)) == 3
    with pytest.raises(ValueError, match='a single picture, and pairs need'):
        pairs(flat, max_pictures=1)
    for path in [*folder.glob('class1/*')][1:]:
        path.unlink()
    with pytest.raises(ValueError, match='class1 has a single picture; add'):
        pairs(folder, same_class_prob=0.5)
    # It needs no second one.
    assert len(pairs(folder, same_class_prob=0.0)) == 9
    for name in ('class1', 'class2'):
        shutil.rmtree(folder / name)
    with pytest.raises(ValueError, match=r'there is a single class; .*None'):
        pairs(folder, same_class_prob=0.5)
