import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ccmim_mm.datasets.checks import (
    check_class_folders,
    check_coco,
    check_label_maps,
)


@pytest.fixture
def coco(tmp_path):
    """A set of one picture, 20 x 10, with one annotation."""
    Image.new('RGB', (20, 10)).save(tmp_path / 'a.jpg')
    return dict(
        images=[dict(id=7, file_name='a.jpg', width=20, height=10)],
        annotations=[
            dict(
                id=1,
                image_id=7,
                category_id=3,
                bbox=[0, 0, 20, 10],
                segmentation=[[0, 0, 5, 0, 5, 5]],
            )
        ],
        categories=[dict(id=3, name='cat')],
    )


def check(content, root, classes=('cat',), with_mask=True):
    path = root / 'ann.json'
    path.write_text(json.dumps(content))
    check_coco(path, root, classes, with_mask)


def test_good_annotations_pass(coco, tmp_path):
    check(coco, tmp_path)
    coco['annotations'][0]['bbox'] = [-0.4, 0, 20.8, 10]
    del coco['annotations'][0]['segmentation']
    check(coco, tmp_path, with_mask=False)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(bbox=[15, 0, 10, 5]), r'box \[15, 0, 10, 5\] lies outside a.jp'),
        (dict(bbox=[0, -3, 5, 5]), 'annotation 1: box .* outside'),
        (dict(category_id=4), 'unknown category 4'),
        (dict(image_id=8), 'of picture 8, not listed'),
        (dict(bbox=None), 'annotation 1 has no box of four numbers'),
        (dict(segmentation=[]), 'no mask; the faster-rcnn'),
    ],
)
def test_a_wrong_annotation_is_named(coco, tmp_path, change, message):
    coco['annotations'][0].update(change)
    with pytest.raises(ValueError, match=f'ann.json: .*{message}'):
        check(coco, tmp_path)


def test_other_categories_are_named(coco, tmp_path):
    with pytest.raises(ValueError, match="'cat' is not among the classes"):
        check(coco, tmp_path, ['dog'])
    with pytest.raises(ValueError, match="'dog' of the config is not among"):
        check(coco, tmp_path, ['cat', 'dog'])


def test_a_missing_picture_is_named(coco, tmp_path):
    coco['images'][0]['file_name'] = 'b.jpg'
    with pytest.raises(FileNotFoundError, match=r'b\.jpg is not in'):
        check(coco, tmp_path)


def test_another_format_is_named(tmp_path):
    with pytest.raises(ValueError, match='no "images"'):
        check([1], tmp_path)
    (tmp_path / 'x.json').write_text('{')
    with pytest.raises(ValueError, match=r'x\.json is no JSON'):
        check_coco(tmp_path / 'x.json', tmp_path, ['cat'], True)


@pytest.fixture
def label_maps(tmp_path):
    """Two pictures in folders with their maps, ids 0, 1 and ignored."""
    rng = np.random.default_rng(0)
    for name in ('x/a', 'x/b'):
        for folder in ('pictures', 'maps'):
            (tmp_path / folder / name).parent.mkdir(
                parents=True, exist_ok=True
            )
        Image.new('RGB', (8, 6)).save(tmp_path / f'pictures/{name}.jpg')
        ids = rng.choice(np.array([0, 1, 255], np.uint8), (6, 8))
        Image.fromarray(ids).save(tmp_path / f'maps/{name}.png')
    return tmp_path


def check_maps(root, classes=2, **kwargs):
    check_label_maps(
        root / 'pictures', root / 'maps', '.jpg', classes, **kwargs
    )


def test_good_label_maps_pass(label_maps):
    check_maps(label_maps)
    check_maps(label_maps, 1, reduce_zero_label=True)


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.full((6, 8), 2, np.uint8), 'b.png has the value 2; there are 2'),
        (np.full((6, 8), 700, np.uint16), 'b.png has the value 700'),
        (np.zeros((6, 8, 3), np.uint8), 'b.png has 3 channels, not 1'),
        (np.zeros((6, 9), np.uint8), r'b.png is \(9, 6\), its picture \(8, 6'),
    ],
)
def test_a_wrong_label_map_is_named(label_maps, array, message):
    Image.fromarray(array).save(label_maps / 'maps/x/b.png')
    with pytest.raises(ValueError, match=message):
        check_maps(label_maps)


def test_a_palette_is_read_as_ids(label_maps):
    image = Image.fromarray(np.ones((6, 8), np.uint8)).convert('P')
    image.putpalette([200, 100, 50] * 256)
    image.save(label_maps / 'maps/x/b.png')
    check_maps(label_maps)


def test_a_missing_label_map_is_named(label_maps):
    (label_maps / 'maps/x/a.png').unlink()
    with pytest.raises(ValueError, match=r'a.png is missing, .* of .*a.jpg'):
        check_maps(label_maps)
    with pytest.raises(FileNotFoundError, match=r'no \*.webp'):
        check_label_maps(
            label_maps / 'pictures', label_maps / 'maps', '.webp', 2
        )


def test_class_folders(picture_folder):
    train, val = picture_folder / 'train', picture_folder / 'val'
    assert check_class_folders(train, val) == ['blue', 'red']


def test_an_empty_or_missing_class_folder_is_named(picture_folder, tmp_path):
    root = tmp_path / 'data'
    shutil.copytree(picture_folder, root)
    (root / 'val/green').mkdir()
    with pytest.raises(ValueError, match='val: class folder green has no'):
        check_class_folders(root / 'train', root / 'val')
    shutil.copy(next((root / 'val/red').iterdir()), root / 'val/green')
    with pytest.raises(ValueError, match='train: no class folder green, '):
        check_class_folders(root / 'train', root / 'val')
