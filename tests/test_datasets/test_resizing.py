"""Pictures of any channels: resized, cropped, and arrays in a folder."""

import numpy as np
import pytest
import torch
from mmpretrain.datasets.transforms import RandomResizedCrop
from PIL import Image

from ccmim_mm.datasets import CappedResizeEdge, PictureFolder
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.transforms import ChannelsResizedCrop

RESIZE = dict(backend='pillow', interpolation='bicubic')


def numbers(*shape, dtype=np.uint16):
    """Numbers that no 8 bits hold where the type has more."""
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == 'f':
        return rng.normal(0, 1000, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype)


def plain_resize(picture, height, width, resample):
    """Pillow's on each channel by itself."""
    planes = [
        Image.fromarray(plane.astype(np.float32)).resize(
            (width, height), resample
        )
        for plane in np.moveaxis(picture, 2, 0)
    ]
    return np.stack([np.asarray(plane) for plane in planes], 2)


@pytest.mark.parametrize('channels', [1, 2, 4, 13])
def test_channels_are_resized_one_by_one_as_pillow_does(channels):
    for dtype in (np.uint8, np.uint16, np.float32):
        picture = numbers(40, 60, channels, dtype=dtype)
        found = CappedResizeEdge(24, **RESIZE)(dict(img=picture))
        expected = plain_resize(picture, 24, 36, Image.Resampling.BICUBIC)
        assert found['img_shape'] == (24, 36)
        assert np.array_equal(found['img'], expected)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('cover', [(64, 96), (96, 64)])
@pytest.mark.parametrize(
    'size', [(200, 100), (100, 200), (64, 96), (1, 1), (3, 700), (900, 601)]
)
def test_two_sides_are_covered_and_one_of_them_exactly(size, cover, dtype):
    picture = numbers(*size, 3, dtype=dtype)
    found = CappedResizeEdge(cover, **RESIZE)(dict(img=picture))
    sides = found['img_shape']
    assert found['img'].shape == (*sides, 3)
    exact = [side == least for side, least in zip(sides, cover, strict=True)]
    assert min(s - c for s, c in zip(sides, cover, strict=True)) == 0
    assert any(exact)
    # In proportion, but for the middle of what is very long.
    longest = max(size) / min(size) < 8
    scale = max(c / s for c, s in zip(cover, size, strict=True))
    if longest:
        wanted = [side * scale for side in size]
        assert np.abs(np.subtract(sides, wanted)).max() <= 0.5
    else:
        assert sides[0] * sides[1] <= 12.1 * max(cover) ** 2


def test_label_maps_go_along_to_two_sides():
    labels = np.zeros((40, 80), np.uint8)
    labels[:, 40:] = 3
    found = CappedResizeEdge((30, 45), **RESIZE)(
        dict(
            img=numbers(40, 80, 5),
            gt_seg_map=labels,
            seg_fields=['gt_seg_map'],
        )
    )
    assert found['gt_seg_map'].shape == found['img'].shape[:2] == (30, 60)
    assert found['gt_seg_map'].mean(0).tolist() == [0] * 30 + [3] * 30


@pytest.mark.parametrize('scale', [32, (32, 48)])
def test_crops_are_those_that_mmpretrain_would_draw(scale):
    # Not so dark or bright that bytes are cut between the two passes.
    picture = 96 + numbers(50, 70, 3, dtype=np.uint8) // 4
    sizes = dict(scale=scale, crop_ratio_range=(0.2, 1.0), **RESIZE)
    for seed in range(4):
        outcomes = []
        for kind in (RandomResizedCrop, ChannelsResizedCrop):
            np.random.seed(seed)
            torch.manual_seed(seed)
            outcomes.append(kind(**sizes)(dict(img=picture)))
        theirs, ours = outcomes
        assert np.array_equal(theirs['img'], ours['img'])
        assert theirs['img_shape'][:2] == ours['img_shape']
        # Of other numbers the same place, each channel by itself.
        np.random.seed(seed)
        both = np.concatenate([picture, picture], 2).astype(np.float32)
        more = ChannelsResizedCrop(**sizes)(dict(img=both))['img']
        assert more.shape[2] == 6 and more.dtype == np.float32
        assert np.array_equal(more[..., :3], more[..., 3:])
        rounded = more[..., :3].round().clip(0, 255)
        assert np.abs(rounded - ours['img']).max() <= 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    root = tmp_path / 'data'
    for name in ('a', 'b'):
        (root / name).mkdir(parents=True)
        np.save(root / name / '1.npy', numbers(8, 9, 2))
    return root


def names_of(root):
    listing = list_pictures(root)
    return [listing[i] for i in range(len(listing))], listing.left_out


def test_arrays_alone_are_pictures(folder):
    (folder / 'a' / 'notes.npz').touch()
    (folder / 'a' / '.hidden.npy').touch()
    assert names_of(folder) == (['a/1.npy', 'b/1.npy'], [])
    data = PictureFolder(str(folder), with_label=True)
    assert data.metainfo['classes'] == ['a', 'b']
    assert [data.get_data_info(i)['gt_label'] for i in range(2)] == [0, 1]


def test_arrays_beside_pictures_are_left_out_and_said(folder):
    (folder / 'b' / '2.TIF').touch()
    names, said = names_of(folder)
    assert names == ['b/2.TIF']
    assert said == [
        'left out 2 arrays, which lie beside pictures, first a/1.npy'
    ]
