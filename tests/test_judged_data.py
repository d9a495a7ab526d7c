"""What a test is judged by, checked before it is."""

from itertools import product

import pytest
import torch
from annotations import annotated
from conftest import ROOT
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from ccmim_mm.apis import config_for_testing, config_for_training
from ccmim_mm.datasets.data_root import leaf
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.prepare import prepare

CLASSIFY = 'classification/vit-tiny_finetune_demo'
SEGMENT = 'segmentation/upernet_vit-tiny_demo'
DETECT = 'detection/faster-rcnn_vit-tiny_demo'


@pytest.fixture
def tested(tmp_path):
    """The config of a test on ``tmp_path/data``, of a model of classes."""

    def configured(name, classes=None, learned=None):
        saved = tmp_path / 'model.pth'
        meta = dict(dataset_meta=dict(classes=learned))
        state = {'backbone.cls_token': torch.ones(1, 1, 4)}
        torch.save(dict(state_dict=state, meta=meta), saved)
        cfg = config_for_testing(
            ROOT / f'configs/{name}.py',
            str(saved),
            {'classes': classes, 'test_dataloader.num_workers': 0},
            tmp_path / 'data',
            tmp_path / 'test',
        )
        cfg.experiment_name = str(tmp_path)
        return cfg

    return configured


@pytest.fixture
def class_folders(tmp_path):
    for split, name in product(('train', 'val'), ('ant', 'bee', 'cow')):
        folder = tmp_path / 'data' / split / name
        folder.mkdir(parents=True)
        Image.new('L', (8, 8)).save(folder / 'a.png')
    return tmp_path / 'data'


@pytest.fixture
def label_maps(tmp_path):
    for folder in ('val', 'label_maps/val'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        Image.new('L', (8, 8)).save(tmp_path / 'data' / folder / 'a.png')
    return tmp_path / 'data'


def test_class_folders_are_judged_by_name(class_folders, tested):
    classes = ['bee', 'cow', 'ant']
    cfg = prepare(tested(CLASSIFY, classes))
    data = DATASETS.build(leaf(cfg, 'test'))
    found = [data.get_data_info(i)['gt_label'] for i in range(3)]
    assert found == [2, 0, 1]
    runner = ResilientRunner.from_cfg(tested(CLASSIFY, ['cat', 'dog', 'cow']))
    with pytest.raises(ValueError, match=r'class ant is not among .*2 such'):
        runner.test()


@pytest.mark.parametrize('stage', ['val', 'test'])
def test_a_checkpoint_of_other_classes_is_not_judged(
    stage, class_folders, tested
):
    """Of as many, which its tensors do not tell."""
    learned = ['cat', 'dog', 'zebra']
    cfg = tested(CLASSIFY, None, learned)
    cfg.val_dataloader.num_workers = 0
    message = (
        'its classes are cat, dog, zebra, and here ant, bee, cow: .*options '
        'classes=cat,dog,zebra'
    )
    with pytest.raises(ValueError, match=message):
        getattr(ResilientRunner.from_cfg(cfg), stage)()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('value', 'has the value 8; there are 2 classes'),
        ('lost', r'a\.png has none in'),
        ('names', r'classes\.txt names sky, wall, but .* are wall, sky'),
        ('broken', r'a\.png: .*; replace it, or remove'),
        # The checkpoint, which is loaded after.
        (None, 'tensors of model or checkpoint are unexplained'),
    ],
)
def test_label_maps_are_checked_before_a_test(
    change, message, label_maps, tested
):
    if change == 'value':
        Image.new('L', (8, 8), 8).save(label_maps / 'label_maps/val/a.png')
    elif change == 'lost':
        (label_maps / 'label_maps/val/a.png').unlink()
    elif change == 'names':
        (label_maps / 'classes.txt').write_text('sky\nwall\n')
    elif change == 'broken':
        (label_maps / 'val/a.png').write_bytes(b'none')
    runner = ResilientRunner.from_cfg(tested(SEGMENT, ['wall', 'sky']))
    with pytest.raises(ValueError, match=message):
        runner.test()


def test_of_a_part_of_the_label_maps_that_part_is_judged(label_maps, tested):
    Image.new('RGB', (8, 8)).save(label_maps / 'val/b.png')
    (label_maps / 'some.txt').write_text('a\n')
    cfg = tested(SEGMENT, ['wall', 'sky'])
    cfg.test_dataloader.dataset.ann_file = 'some.txt'
    runner = ResilientRunner.from_cfg(cfg)
    # The checkpoint, which is loaded after.
    with pytest.raises(ValueError, match='are unexplained'):
        runner.test()


def test_what_is_only_written_needs_no_label_maps(label_maps, tested):
    (label_maps / 'label_maps/val/a.png').unlink()
    cfg = tested(SEGMENT, ['wall', 'sky'])
    cfg.test_evaluator.update(format_only=True, output_dir=str(label_maps))
    runner = ResilientRunner.from_cfg(cfg)
    with pytest.raises(FileNotFoundError, match=r'no picture in .* has a'):
        runner.test()


def test_a_test_needs_its_own_data_alone(label_maps, tested):
    (label_maps / 'classes.txt').write_text('wall\nsky\n')
    for classes in (None, ['wall', 'sky']):
        cfg = prepare(tested(SEGMENT, classes))
        assert cfg.classes == ['wall', 'sky']
        with DefaultScope.overwrite_default_scope('mmseg'):
            assert len(DATASETS.build(leaf(cfg, 'test'))) == 1
    cfg = config_for_training(
        ROOT / f'configs/{SEGMENT}.py', data=label_maps, work_dir='none'
    )
    with pytest.raises(FileNotFoundError, match='no train label maps'):
        prepare(cfg)


def test_a_detector_whose_classes_are_named_likewise(tmp_path, tested):
    annotated(tmp_path / 'data', 'val', ('dog', 'cat'))
    cfg = prepare(tested(DETECT, ['cat', 'dog']))
    assert cfg.test_evaluator.ann_file == leaf(cfg, 'test').ann_file
    # Their order is that of the training's.
    with pytest.raises(FileNotFoundError, match='no train annotations'):
        prepare(tested(DETECT))
