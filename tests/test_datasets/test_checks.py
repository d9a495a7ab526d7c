import shutil

import numpy as np
import pytest
from PIL import Image

from ccmim_mm.datasets.checks import check_class_folders, check_label_maps
from ccmim_mm.datasets.label_map_dataset import pair_label_maps


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


def check_maps(root, classes=2, suffix=None, **kwargs):
    return check_label_maps(
        root / 'pictures', root / 'maps', suffix, classes, **kwargs
    )


def test_good_label_maps_pass(label_maps):
    check_maps(label_maps)
    check_maps(label_maps, 1, reduce_zero_label=True)
    check_maps(label_maps, suffix='.jpg')


def test_label_maps_in_upper_case_are_found(label_maps):
    maps = label_maps / 'maps/x'
    (maps / 'a.png').rename(maps / 'a.PNG')
    shutil.copy(maps / 'b.png', maps / 'b.Png')
    check_maps(label_maps)
    pairs = pair_label_maps(label_maps / 'pictures', label_maps / 'maps').pairs
    assert [path.name for _, path in pairs] == ['a.PNG', 'b.png']
    # mmseg's data sets would look for a.png.
    with pytest.raises(ValueError, match=r'a\.PNG does not end in \.png'):
        check_maps(label_maps, suffix='.jpg')


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (
            np.full((6, 8), 2, np.uint8),
            'b.png has the value 2; there are 2 .* classes=NAME,',
        ),
        (np.full((6, 8), 700, np.uint16), 'b.png has the value 700'),
        (np.zeros((6, 8, 3), np.uint8), 'b.png has 3 channels, not 1'),
        (np.zeros((6, 9), np.uint8), r'b.png is \(9, 6\), its picture \(8, 6'),
    ],
)
def test_a_wrong_label_map_is_named(label_maps, array, message):
    Image.fromarray(array).save(label_maps / 'maps/x/b.png')
    with pytest.raises(ValueError, match=message):
        check_maps(label_maps)


@pytest.mark.parametrize('orientation', [1, 6])
def test_a_turned_label_map_is_refused(label_maps, orientation):
    """A photograph is turned as its camera says, and its map is not."""
    turned = Image.Exif()
    turned[0x0112] = orientation
    path = label_maps / 'pictures/x/b.jpg'
    Image.new('RGB', (8, 6)).save(path, exif=turned)
    upright, other = ((6, 8), (8, 6)) if orientation == 1 else ((8, 6), (6, 8))
    Image.fromarray(np.zeros(upright, np.uint8)).save(
        label_maps / 'maps/x/b.png'
    )
    check_maps(label_maps)
    Image.fromarray(np.zeros(other, np.uint8)).save(
        label_maps / 'maps/x/b.png'
    )
    with pytest.raises(ValueError, match=r'b\.png is .* as it is loaded'):
        check_maps(label_maps)


def test_a_palette_is_read_as_ids(label_maps):
    image = Image.fromarray(np.ones((6, 8), np.uint8)).convert('P')
    image.putpalette([200, 100, 50] * 256)
    image.save(label_maps / 'maps/x/b.png')
    check_maps(label_maps)


def test_label_maps_that_are_missing_are_counted(label_maps):
    for name in 'ab':
        (label_maps / f'maps/x/{name}.png').unlink()
    Image.new('RGB', (8, 6)).save(label_maps / 'pictures/x/c.png')
    Image.new('L', (8, 6)).save(label_maps / 'maps/x/c.png')
    with pytest.raises(ValueError, match=r'a\.jpg has none .*\(2 such\)'):
        check_maps(label_maps)


def test_suffixes_may_be_mixed_where_the_data_set_takes_them(label_maps):
    for name in ('c.png', 'd.JPG'):
        Image.new('RGB', (8, 6)).save(label_maps / 'pictures/x' / name)
        label_map = (label_maps / 'maps/x' / name).with_suffix('.png')
        Image.new('L', (8, 6)).save(label_map)
    assert check_maps(label_maps) == []
    message = r'c\.png does not end in \.jpg \(2 such\); .*LabelMapDataset'
    with pytest.raises(ValueError, match=message):
        check_maps(label_maps, suffix='.jpg')
    with pytest.raises(FileNotFoundError, match=r'no \*\.webp'):
        check_maps(label_maps, suffix='.webp')


def test_label_maps_without_a_picture_are_counted(label_maps):
    Image.new('L', (8, 6)).save(label_maps / 'maps/x/alone.png')
    assert check_maps(label_maps) == ['1 label maps without a picture']


def test_a_label_map_of_two_pictures_is_refused(label_maps):
    Image.new('RGB', (8, 6)).save(label_maps / 'pictures/x/a.png')
    with pytest.raises(ValueError, match=r'a\.png is of several pictures'):
        check_maps(label_maps)


def test_broken_files_beside_label_maps(label_maps):
    # Training replaces the picture; nobody can replace its labels.
    (label_maps / 'pictures/x/a.jpg').write_bytes(b'no picture')
    check_maps(label_maps)
    with pytest.raises(ValueError, match=r'a\.jpg: .*; replace it, or remo'):
        check_maps(label_maps, judged=True)
    (label_maps / 'maps/x/a.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match=r'a\.png cannot be read'):
        check_maps(label_maps)


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


def test_one_class_folder_is_nothing_to_tell_apart(tmp_path):
    (tmp_path / 'cat').mkdir()
    Image.new('L', (8, 8)).save(tmp_path / 'cat/a.png')
    with pytest.raises(ValueError, match=r'cat is its only class'):
        check_class_folders(tmp_path, tmp_path)
