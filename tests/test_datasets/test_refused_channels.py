"""Pictures of any channels that cannot be read, and what is said of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import ROOT
from mmengine.config import Config
from PIL import Image

from ccmim_mm.config import set_channels
from ccmim_mm.datasets import (
    LoadChannels,
    LoadUprightImage,
    UnreadablePictureError,
)
from ccmim_mm.datasets.checks import check_label_maps
from ccmim_mm.datasets.classes import apply_classes
from ccmim_mm.datasets.coco import check_coco
from ccmim_mm.datasets.config_checks import check_data
from ccmim_mm.datasets.data_root import apply_data_root, leaf
from ccmim_mm.engine.runner.prepare import complete_annotations

SHAPE = (20, 26)


def numbers(*shape, dtype=np.uint16):
    rng = np.random.default_rng(0)
    return (60000 * rng.random(shape)).astype(dtype)


@pytest.fixture
def label_maps_of_bands(tmp_path):
    """A segmentor's config for 13 channels, and its data: a picture each."""
    for split in ('train', 'val'):
        for folder in (split, f'label_maps/{split}'):
            (tmp_path / folder).mkdir(parents=True)
        np.save(tmp_path / split / 'a.npy', numbers(*SHAPE, 13))
        Image.new('L', SHAPE[::-1]).save(
            tmp_path / f'label_maps/{split}/a.png'
        )
    cfg = Config.fromfile(
        ROOT / 'configs/segmentation/upernet_vit-tiny_demo.py'
    )
    set_channels(cfg, 13)
    cfg.update(classes=['ground', 'cat'], data_root=str(tmp_path))
    apply_data_root(cfg)
    apply_classes(cfg)
    return cfg


def refused(path, channels, message, transform=None):
    with pytest.raises(UnreadablePictureError, match=message) as caught:
        (transform or LoadChannels(channels))(dict(img_path=str(path)))
    assert str(caught.value).isprintable()
    assert path.name in str(caught.value)


def test_what_has_other_channels_names_the_option(tmp_path):
    path = tmp_path / 'a.npy'
    for shape in ((*SHAPE, 13), (13, *SHAPE)):
        np.save(path, numbers(*shape))
        shown = ', '.join(map(str, shape))
        refused(path, 4, rf'13 channels \(an array of \({shown}\)\), and the')
        refused(path, 4, 'takes 4: --channels 13 trains one for such')
    np.save(path, numbers(*SHAPE))
    refused(path, 4, r'1 channels .* takes 4: --channels 1 trains')
    Image.new('RGB', (5, 5)).save(tmp_path / 'a.png')
    refused(tmp_path / 'a.png', 1, r'ChannelsError: 3 channels .*channels 3')


def test_what_is_no_picture_of_numbers_is_refused(tmp_path):
    path = tmp_path / 'a.npy'
    values = numbers(*SHAPE, 2, dtype=np.float32)
    for broken in (np.nan, np.inf):
        values[3, 4, 1] = broken
        np.save(path, values)
        refused(path, 2, 'values that are not finite')
    for strange in (
        np.zeros((2, 3, 4, 5)),
        np.zeros(7),
        np.zeros(SHAPE, np.complex64),
        np.zeros(SHAPE, 'U3'),
    ):
        np.save(path, strange)
        refused(path, 1, r'expected numbers, \(H, W\), \(H, W, C\) or')
    np.save(path, np.zeros((0, 5, 2)))
    refused(path, 2, 'no pixels: 0 x 5')
    refused(tmp_path / 'none.tif', 2, 'FileNotFoundError')
    (tmp_path / 'cut.tif').write_bytes(b'II*\0' + b'\x08\0\0\0')
    refused(tmp_path / 'cut.tif', 2, 'cut')
    with pytest.raises(ValueError, match='channels=0: at least 1'):
        LoadChannels(0)


class Evil:
    ran = False

    def __reduce__(self):
        return setattr, (Evil, 'ran', True)


def test_an_array_that_would_run_code_does_not(tmp_path):
    path = tmp_path / 'a.npy'
    np.save(path, np.array([[Evil()]], object), allow_pickle=True)
    refused(path, 1, 'ValueError: Object arrays')
    assert not Evil.ran


def test_loading_as_rgb_names_the_option(tmp_path):
    values = numbers(*SHAPE, 13)
    tifffile.imwrite(
        tmp_path / 'a.tif',
        values,
        photometric='minisblack',
        planarconfig='contig',
    )
    np.save(tmp_path / 'a.npy', values)
    upright = LoadUprightImage()
    hint = 'it has 13 channels: --channels 13 trains on such'
    refused(tmp_path / 'a.tif', 3, hint, upright)
    refused(tmp_path / 'a.npy', 3, '--channels N trains on arrays', upright)
    (tmp_path / 'b.jpg').write_bytes(b'no picture')
    with pytest.raises(UnreadablePictureError) as caught:
        upright(dict(img_path=str(tmp_path / 'b.jpg')))
    assert '--channels' not in str(caught.value)


@pytest.mark.parametrize('shape', [(20, 26, 40), (40, 20, 26)])
def test_annotations_of_another_size_than_an_array_are_refused(
    shape, tmp_path
):
    """Which end the channels are at, their number tells: 40 are many."""
    for name in ('pictures', 'maps'):
        (tmp_path / name).mkdir()
    np.save(tmp_path / 'pictures/a.npy', numbers(*shape))
    folders = tmp_path / 'pictures', tmp_path / 'maps', None, 2
    label_map = tmp_path / 'maps/a.png'
    Image.new('L', (26, 20)).save(label_map)
    check_label_maps(*folders, channels=40)
    Image.new('L', (20, 26)).save(label_map)
    with pytest.raises(ValueError, match=r'\(20, 26\), its picture \(26, 20'):
        check_label_maps(*folders, channels=40)
    content = dict(
        images=[dict(id=1, file_name='a.npy')],
        annotations=[],
        categories=[dict(id=1, name='cat')],
    )
    ann_file = tmp_path / 'ann.json'
    ann_file.write_text(json.dumps(content))
    coco = ann_file, folders[0], ['cat'], False, None, 40
    check_coco(*coco)
    content['images'][0].update(width=20, height=26)
    ann_file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'26 x 20 .* annotated as 20 x 26'):
        check_coco(*coco)


def test_sizes_of_arrays_are_filled_in(tmp_path):
    (tmp_path / 'pictures').mkdir()
    np.save(tmp_path / 'pictures/a.npy', numbers(20, 26, 4))
    content = dict(
        images=[dict(id=1, file_name='a.npy')],
        annotations=[],
        categories=[dict(id=1, name='cat')],
    )
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    dataset = dict(
        type='CocoDataset',
        data_root=str(tmp_path),
        ann_file='ann.json',
        data_prefix=dict(img='pictures'),
        metainfo=dict(classes=['cat']),
        pipeline=[dict(type='LoadChannels', channels=4)],
    )
    cfg = Config(
        dict(
            work_dir=str(tmp_path / 'run'),
            model=dict(),
            train_dataloader=dict(dataset=dataset),
        )
    )
    complete_annotations(cfg)
    written = json.loads(Path(leaf(cfg, 'train').ann_file).read_text())
    size = dict(width=26, height=20)
    assert written['images'] == [dict(id=1, file_name='a.npy') | size]


def test_a_config_tells_its_channels_to_the_checks(label_maps_of_bands):
    cfg = label_maps_of_bands
    check_data(cfg)
    root = Path(cfg.data_root)
    Image.new('L', (20, 26)).save(root / 'label_maps/val/a.png')
    with pytest.raises(ValueError, match=r'its picture \(26, 20\)'):
        check_data(cfg)


def test_only_a_training_may_have_pictures_that_cannot_be_read(
    label_maps_of_bands,
):
    root = Path(label_maps_of_bands.data_root)
    np.save(root / 'train/a.npy', numbers(*SHAPE, 2))
    check_data(label_maps_of_bands)
    np.save(root / 'val/a.npy', numbers(*SHAPE, 2))
    with pytest.raises(ValueError, match=r'val/a\.npy: .*; replace it, or'):
        check_data(label_maps_of_bands)
