import pytest
from PIL import Image

from ccmim_mm.datasets import PictureFolder
from ccmim_mm.datasets.annotated_layouts import find_coco, find_label_maps
from ccmim_mm.datasets.layouts import class_folders, find_layout


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in ('.json', '.npy'):
            path.touch()
        else:
            Image.new('L', (4, 4)).save(path)


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        (
            ['annotations/instances_train2017.json', 'train2017/1.jpg'],
            ('annotations/instances_train2017.json', 'train2017'),
        ),
        (
            ['annotations/instances_train.json', 'images/1.png'],
            ('annotations/instances_train.json', 'images'),
        ),
        (
            ['annotations/train.json', 'images/train/a/1.jpg'],
            ('annotations/train.json', 'images/train'),
        ),
        (
            ['train/_annotations.coco.json', 'train/1.jpg'],
            ('train/_annotations.coco.json', 'train'),
        ),
    ],
)
def test_coco_layouts(tmp_path, files, expected):
    touch(tmp_path, *files)
    assert find_coco(tmp_path, 'train') == expected


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        (
            ['images/training/1.jpg', 'annotations/training/1.png'],
            ('images/training', 'annotations/training', '.jpg'),
        ),
        (
            ['train/c/1.PNG', 'label_maps/train/c/1.png'],
            ('train', 'label_maps/train', '.PNG'),
        ),
        (
            ['img_dir/train/1.jpg', 'ann_dir/train/1.png'],
            ('img_dir/train', 'ann_dir/train', '.jpg'),
        ),
    ],
)
def test_label_map_layouts(tmp_path, files, expected):
    touch(tmp_path, *files)
    assert find_label_maps(tmp_path, 'train') == expected


@pytest.mark.parametrize('name', ['validation', 'valid', 'val2017', 'val'])
def test_class_folders_have_the_other_names_of_a_split(tmp_path, name):
    touch(tmp_path, 'train/cat/1.png', f'{name}/cat/1.png')
    assert class_folders(tmp_path, 'val') == tmp_path / name
    assert class_folders(tmp_path, 'train') == tmp_path / 'train'
    touch(tmp_path, 'val/cat/1.png')
    assert class_folders(tmp_path, 'val') == tmp_path / 'val'


@pytest.mark.parametrize(
    ('train', 'val'),
    [('training', 'validation'), ('train', 'valid'), ('train2017', 'val2017')],
)
def test_pre_training_knows_the_other_names_of_a_split(tmp_path, train, val):
    touch(tmp_path, f'{train}/cat/1.png', f'{val}/cat/2.png', 'test/3.png')
    assert find_layout(tmp_path) == (tmp_path / train, tmp_path / val, '')
    for split, name in (('train', 'cat/1.png'), ('val', 'cat/2.png')):
        pictures = PictureFolder(str(tmp_path), split=split)
        assert [pictures.name(i) for i in range(len(pictures))] == [name]


def test_why_labels_do_not_serve_is_said_as_it_is(tmp_path):
    touch(tmp_path, 'training/cat/1.png')
    assert find_layout(tmp_path).reason == f'no {tmp_path}/val'
    touch(tmp_path, 'valid/1.png')
    reason = f'{tmp_path}/valid has no class folders'
    assert find_layout(tmp_path) == (tmp_path / 'training', None, reason)
    touch(tmp_path, 'training/b.png', 'training/a.png')
    reason = f'{tmp_path}/training has pictures beside its class folders'
    assert find_layout(tmp_path).reason == f'{reason}, first a.png'


def test_folders_of_arrays_are_classes_where_none_lie_beside(tmp_path):
    touch(tmp_path, 'train/a/1.npy', 'val/a/deep/2.npy')
    assert find_layout(tmp_path) == (tmp_path / 'train', tmp_path / 'val', '')
    touch(tmp_path, 'train/loose.npy')
    reason = f'{tmp_path}/train has pictures beside its class folders'
    assert find_layout(tmp_path).reason == f'{reason}, first loose.npy'
    # Beside pictures an array is no picture.
    touch(tmp_path, 'train/a/1.png')
    assert find_layout(tmp_path).reason == ''


def test_empty_class_folders_are_no_validation(tmp_path):
    touch(tmp_path, 'train/a/1.png')
    (tmp_path / 'val/a').mkdir(parents=True)
    reason = f'{tmp_path}/val has no pictures'
    assert find_layout(tmp_path) == (tmp_path / 'train', None, reason)


def test_links_are_followed_and_what_is_hidden_is_not(tmp_path):
    touch(tmp_path, 'far/1.jpg', 'train/.thumb.png', 'masks/train/1.png')
    (tmp_path / 'images/train').mkdir(parents=True)
    (tmp_path / 'images/train/batch').symlink_to(tmp_path / 'far')
    found = find_label_maps(tmp_path, 'train')
    assert found == ('images/train', 'masks/train', '.jpg')


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no folder .*nothing'):
        find_coco(tmp_path / 'nothing', 'train')
    touch(tmp_path, 'annotations/instances_train.json')
    with pytest.raises(FileNotFoundError, match='no train pictures in'):
        find_coco(tmp_path, 'train')
    with pytest.raises(FileNotFoundError, match='no val annotations'):
        find_coco(tmp_path, 'val')
    # A folder called annotations is no folder of label maps.
    with pytest.raises(FileNotFoundError, match='no val label maps in'):
        find_label_maps(tmp_path, 'val')
    touch(tmp_path, 'masks/val/1.png')
    with pytest.raises(FileNotFoundError, match='no val pictures in'):
        find_label_maps(tmp_path, 'val')
    with pytest.raises(FileNotFoundError, match='val/CLASS'):
        class_folders(tmp_path, 'val')
