"""The data of a downstream config, checked against its classes."""

from itertools import product

import pytest
from conftest import load
from mmengine.config import DictAction
from PIL import Image

from ccmim_mm.datasets.classes import apply_classes, listed_classes
from ccmim_mm.datasets.config_checks import check_data
from ccmim_mm.datasets.data_root import apply_data_root, leaf


def applied(name, root, **values):
    cfg = load(name)
    cfg.update(data_root=str(root), **values)
    apply_data_root(cfg)
    apply_classes(cfg)
    return cfg


@pytest.fixture
def class_folders(tmp_path):
    """Folders of the classes 0 and 1, of a picture each."""
    for split, name in product(('train', 'val'), '01'):
        (tmp_path / split / name).mkdir(parents=True)
        Image.new('L', (8, 8)).save(tmp_path / split / name / 'a.png')
    return tmp_path


CLASSIFY = 'classification/vit-tiny_finetune_demo'


@pytest.mark.parametrize('option', ['0,1', '1,0', 'None'])
def test_numbers_are_names_of_classes(option, class_folders):
    given = DictAction._parse_iterable(option)
    cfg = applied(CLASSIFY, class_folders, classes=given)
    check_data(cfg)
    assert cfg.classes == ['0', '1'][:: -1 if option == '1,0' else 1]
    for split in ('train', 'val', 'test'):
        assert leaf(cfg, split).metainfo == dict(classes=cfg.classes)


def test_other_class_folders_name_the_way_to_take_them(class_folders):
    cfg = applied(CLASSIFY, class_folders, classes=['0', '2'])
    message = 'class folders are 0, 1, but .* 0, 2: .*options classes=None'
    with pytest.raises(ValueError, match=message):
        check_data(cfg)
    cfg.classes = DictAction._parse_iterable('None')
    apply_classes(cfg)
    check_data(cfg)


@pytest.fixture
def label_maps(tmp_path):
    """A picture of each split, with a label map of the value 1."""
    for split in ('train', 'val'):
        for folder in (split, f'label_maps/{split}'):
            (tmp_path / folder).mkdir(parents=True)
            Image.new('L', (8, 8), 1).save(tmp_path / folder / 'a.png')
    return tmp_path


SEGMENT = 'segmentation/upernet_vit-tiny_demo'


def test_one_class_trains_a_sigmoid_and_no_softmax(label_maps):
    for split in ('train', 'val'):
        Image.new('L', (8, 8)).save(label_maps / f'label_maps/{split}/a.png')
    cfg = applied(SEGMENT, label_maps, classes=['cat'])
    message = 'cat is the only class, .*classes=background,cat'
    with pytest.raises(ValueError, match=message):
        check_data(cfg)
    cfg.model.decode_head.loss_decode.use_sigmoid = True
    check_data(cfg)


@pytest.mark.parametrize(
    ('of_data', 'of_transform', 'message'),
    [
        (True, None, None),
        (None, None, 'has the value 1'),
        (True, True, None),
        (False, False, 'has the value 1'),
        (None, True, 'is False of the train data set, .* True of its LoadAnn'),
        (True, False, 'is True of the train data set, LabelMap.* and False'),
    ],
)
def test_whether_0_is_ignored_is_said_once(
    of_data, of_transform, message, label_maps
):
    cfg = applied(SEGMENT, label_maps, classes=['cat'])
    cfg.model.decode_head.loss_decode.use_sigmoid = True
    for split in ('train', 'val'):
        dataset = leaf(cfg, split)
        if of_data is not None:
            dataset.reduce_zero_label = of_data
        for transform in dataset.pipeline:
            if transform.type == 'LoadAnnotations':
                transform.reduce_zero_label = of_transform
    if message is None:
        check_data(cfg)
        return
    with pytest.raises(ValueError, match=message):
        check_data(cfg)


def test_a_list_that_numbers_other_classes_is_refused(label_maps):
    (label_maps / 'classes.txt').write_text('sky\nroad\n')
    check_data(applied(SEGMENT, label_maps))
    cfg = applied(SEGMENT, label_maps, classes=['road', 'sky'])
    message = r'classes\.txt names sky, road, but .* are road, sky: .*=None'
    with pytest.raises(ValueError, match=message):
        check_data(cfg)


@pytest.mark.parametrize('line_end', ['\n', '\r\n'])
def test_a_list_of_classes(line_end, tmp_path):
    names = ['traffic light', 'Wand\u00e4', 'car']
    text = line_end.join(['\ufeffroad ', *names, '', ' ', ''])
    (tmp_path / 'classes.txt').write_bytes(text.encode())
    assert listed_classes(tmp_path) == ['road', *names]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', r'line 1 has no name; write a name a line'),
        (b' \n\n', r'line 1 has no name; write a name a line'),
        (b'cat\n\ndog\n', r'line 2 has no name; write'),
        (b'\ncat\n', r'line 1 has no name; write'),
        (b'cat\ndog\ncat\n', r"the name 'cat' is there twice; write"),
        ('Br\u00fccke\n'.encode('latin-1'), r'is not UTF-8 \(.*2\): save it'),
        ('cat\n'.encode('utf-16'), r'is not UTF-8 \(.*0\): save it'),
    ],
)
def test_a_broken_list_of_classes_is_named(content, message, label_maps):
    (label_maps / 'classes.txt').write_bytes(content)
    with pytest.raises(ValueError, match=rf'/classes\.txt:? {message}'):
        applied(SEGMENT, label_maps, classes=None)
