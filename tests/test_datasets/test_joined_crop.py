"""What is joined, kept or spared for speed comes out as it did before."""

import random

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS
from mmpretrain.datasets import PackInputs
from mmpretrain.datasets.transforms import RandomResizedCrop
from odd_pictures import UNUSUAL
from PIL import Image

from ccmim_mm.datasets import (
    PackMaskedInputs,
    PictureFolder,
    Seeded,
    UnreadablePictureError,
)
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.seeded import SampleKey, seed_all
from ccmim_mm.datasets.transforms import LoadUprightImage
from ccmim_mm.datasets.transforms.resizing import LoadedCrop

LOAD = dict(type='LoadUprightImage')
CROP = dict(
    type='mmpretrain.RandomResizedCrop',
    scale=(24, 32),
    crop_ratio_range=(0.2, 1.0),
    backend='pillow',
    interpolation='bicubic',
)
PACK = dict(type='PackMaskedInputs', num_patches=4)


@TRANSFORMS.register_module(name='TestBetween')
class Between:
    """What a user may put between loading and cropping."""

    def __call__(self, results):
        """Turn the array upside down."""
        assert isinstance(results['img'], np.ndarray)
        results['img'] = results['img'][::-1].copy()
        return results


@TRANSFORMS.register_module(name='TestOwnCrop')
class OwnCrop(RandomResizedCrop):
    """A crop of a user's."""

    def transform(self, results):
        """Leave the picture as it is."""
        return results


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def by_hand(path, seed):
    """Loaded to an array, cut by NumPy, resized by Pillow."""
    whole = LoadUprightImage()(dict(img_path=str(path)))['img']
    np.random.seed(seed)
    crop = RandomResizedCrop((24, 32), (0.2, 1.0))
    top, left, height, width = crop.rand_crop_params(whole)
    part = np.ascontiguousarray(whole[top : top + height, left : left + width])
    image = Image.fromarray(part).resize((32, 24), Image.Resampling.BICUBIC)
    return whole.shape[:2], np.asarray(image)


@pytest.mark.parametrize('kind', UNUSUAL)
def test_any_picture_is_cropped_as_from_a_whole_array(tmp_path, kind):
    path = tmp_path / f'a.{UNUSUAL[kind].suffix}'
    path.write_bytes(UNUSUAL[kind].content)
    data = PictureFolder(str(tmp_path), [LOAD, CROP])
    for seed in range(5):
        shape, expected = by_hand(path, seed)
        np.random.seed(seed)
        found = data[0]
        assert np.array_equal(found['img'], expected)
        assert found['img'].flags.writeable
        assert (found['ori_shape'], found['img_shape']) == (
            shape,
            (24, 32, 3),
        )


@pytest.mark.parametrize('direction', ['horizontal', 'vertical'])
@pytest.mark.parametrize('prob', [0.0, 0.3, 1.0])
def test_a_flip_is_mmcvs(picture_folder, prob, direction):
    flip = dict(type='mmcv.RandomFlip', prob=prob, direction=direction)
    pipeline = [LOAD, CROP, flip]
    data = PictureFolder(str(picture_folder / 'train'), [*pipeline, flip])
    stages = [*map(TRANSFORMS.build, [*pipeline, flip])]
    # The second flip is mmcv's own, and sees what the first one drew.
    assert len(data.pipeline.transforms) == 2
    seen = set()
    for seed in range(20):
        given = data.get_data_info(seed)
        np.random.seed(seed)
        found = data.pipeline(given.copy())
        drawn = np.random.random_sample()
        np.random.seed(seed)
        for stage in stages:
            given = stage(given)
        assert np.random.random_sample() == drawn
        assert np.array_equal(found.pop('img'), given.pop('img'))
        assert found == {**given, 'img_shape': (24, 32, 3)}
        seen.add(found['flip'])
    assert seen == ({True, False} if 0 < prob < 1 else {prob == 1})


@pytest.mark.parametrize(
    'entropy', [(0,), (1, 0, 7), (2**32 - 1, 5), (2**32, 3), (2**70, 1, 2)]
)
def test_a_seed_is_numpys(entropy):
    seed_all(*entropy)
    words = np.random.SeedSequence(entropy).generate_state(4)
    assert random.random() == random.Random(int(words[0])).random()
    numpy_state = np.random.RandomState(words[1:3])
    assert np.random.random_sample() == numpy_state.random_sample()
    generator = torch.Generator().manual_seed(int(words[3]))
    assert torch.equal(torch.rand(3), torch.rand(3, generator=generator))


def test_what_is_broken_is_told_of_by_name(tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'\xff\xd8\xff no picture')
    data = PictureFolder(str(tmp_path), [LOAD, CROP])
    with pytest.raises(UnreadablePictureError, match=r'broken\.jpg'):
        data[0]


def test_others_transforms_get_what_they_always_got(picture_folder):
    root = str(picture_folder / 'train')
    assert isinstance(
        PictureFolder(root, [LOAD, CROP]).pipeline.transforms[0], LoadedCrop
    )
    for pipeline in (
        [LOAD, dict(type='TestBetween'), CROP],
        [LOAD, dict(CROP, type='TestOwnCrop')],
        [LOAD, dict(CROP, backend='cv2')],
    ):
        data = PictureFolder(root, pipeline)
        assert len(data.pipeline.transforms) == len(pipeline)
        assert data[0]['img'].ndim == 3
    given = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)
    joined = PictureFolder(root, [LOAD, CROP]).pipeline
    np.random.seed(0)
    found = joined(dict(img=given))['img']
    np.random.seed(0)
    apart = TRANSFORMS.build(CROP)(dict(img=given))['img']
    assert np.array_equal(found, apart)


def drawn():
    return random.random(), np.random.normal(), torch.rand(1).item()


def test_a_batch_is_its_pictures_and_leaves_the_generators_alone(
    picture_folder,
):
    data = Seeded(PictureFolder(str(picture_folder / 'train'), [LOAD, CROP]))
    keys = [SampleKey(3, 1, index) for index in (5, 0, 5, 23)]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    # Leaves half of a pair of normal numbers behind, which is kept too.
    np.random.normal()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = drawn()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    together = data.__getitems__(keys)
    assert drawn() == expected
    alone = [data[key] for key in keys]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one['img'], other['img'])
    assert np.array_equal(together[0]['img'], together[2]['img'])
    # Of plain integers nothing is seeded, and what is drawn goes on.
    before = np.random.get_state()[2]
    assert len(data.__getitems__([0, 1])) == 2
    assert np.random.get_state()[2] != before


@pytest.mark.parametrize(
    'picture',
    [
        np.arange(60, dtype=np.uint8).reshape(4, 5, 3),
        np.arange(60, dtype=np.uint8).reshape(4, 5, 3)[:, ::-1],
        np.arange(60, dtype=np.float32).reshape(4, 5, 3)[::-1, ::-1],
        np.arange(20, dtype=np.float32).reshape(4, 5, 1),
        np.arange(20, dtype=np.uint8).reshape(4, 5),
    ],
)
def test_channels_come_first_as_mmpretrain_has_them(picture):
    for given in (picture, [picture, picture]):
        found = PackMaskedInputs()(dict(img=given))['inputs']
        expected = PackInputs()(dict(img=given))['inputs']
        if not isinstance(given, list):
            found, expected = [found], [expected]
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)
            assert one.dtype == other.dtype
            assert one.is_contiguous()


def test_paths_are_pathlibs(picture_folder, monkeypatch):
    monkeypatch.chdir(picture_folder / 'train')
    listing = list_pictures('.')
    assert listing.path('.', 0) == listing[0]
    assert listing.path('./red//', 0) == f'red/{listing[0]}'
    assert listing.path('/', 0) == f'/{listing[0]}'
    assert listing.path('../train', 0) == f'../train/{listing[0]}'
