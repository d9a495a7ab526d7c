"""Annotated data, as mmdet and mmseg read them of a prepared config."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from annotations import BOXES, annotated, change
from conftest import ROOT
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.structures import InstanceData
from PIL import Image

from ccmim_mm.apis import config_for_testing, config_for_training
from ccmim_mm.datasets.data_root import leaf
from ccmim_mm.datasets.label_map_dataset import pair_label_maps
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.prepare import as_given, prepare

pytestmark = pytest.mark.slow

#: Of each picture, x, y, width, height of a cat and of a dog.


@pytest.fixture
def coco(tmp_path):
    """The data folder and the annotations of train and val."""
    root = tmp_path / 'data'
    paths = [
        annotated(root, split, ('cat', 'dog')) for split in ('train', 'val')
    ]
    return root, *paths


def prepared(root, name='detection/mask-rcnn_vit-b_own', **options):
    cfg = config_for_training(
        ROOT / f'configs/{name}.py', options, root, root.parent / 'run'
    )
    return prepare(cfg)


def perfect(cfg, split='val'):
    """The figures of a detector that finds what stands in the pixels."""
    classes = list(cfg.classes)
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(leaf(cfg, split))
        judge = Evaluator(cfg[f'{split}_evaluator'])
    judge.dataset_meta = dataset.metainfo
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        shape = info['height'], info['width']
        masks = torch.zeros(2, *shape, dtype=torch.bool)
        for mask, (x, y, w, h) in zip(masks, BOXES, strict=True):
            mask[y : y + h, x : x + w] = True
        found = InstanceData(
            bboxes=torch.tensor(
                [[x, y, x + w, y + h] for x, y, w, h in BOXES]
            ).float(),
            labels=torch.tensor([classes.index(n) for n in ('cat', 'dog')]),
            scores=torch.ones(2),
            masks=masks,
        )
        sample = dict(
            pred_instances=found, img_id=info['img_id'], ori_shape=shape
        )
        judge.process([sample])
    return judge.evaluate(len(dataset))


def labels_of(cfg, split):
    """By class name, the boxes that a data set has of it."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(leaf(cfg, split))
    instances = dataset.get_data_info(0)['instances']
    classes = dataset.metainfo['classes']
    return {classes[i['bbox_label']]: i['bbox'][0] for i in instances}


def test_a_conforming_file_is_used_as_it_is(coco):
    root, _, val = coco
    cfg = prepared(root)
    assert leaf(cfg, 'train').ann_file == 'annotations/instances_train.json'
    assert cfg.val_evaluator.ann_file == str(val)
    assert not (root.parent / 'run').exists()
    assert perfect(cfg)['coco/bbox_mAP'] == pytest.approx(1)


def test_categories_are_numbered_by_name(coco):
    """In whatever order a split lists them."""
    root, _, val = coco
    change(val, lambda content: content['categories'].reverse())
    before = val.read_bytes()
    cfg = prepared(root)
    assert (
        labels_of(cfg, 'train') == labels_of(cfg, 'val') == dict(cat=4, dog=40)
    )
    figures = perfect(cfg)
    assert figures['coco/bbox_mAP'] == pytest.approx(1)
    assert figures['coco/segm_mAP'] == pytest.approx(1)
    assert val.read_bytes() == before


def test_classes_are_numbered_and_not_renamed(coco):
    root, *_ = coco
    cfg = prepared(root, classes='dog,cat')
    assert cfg.classes == ['dog', 'cat']
    assert labels_of(cfg, 'train') == dict(cat=4, dog=40)
    assert perfect(cfg, 'test')['coco/bbox_mAP'] == pytest.approx(1)


def test_what_exports_lack_is_filled_in(coco, capfd):
    """Nothing but pictures, boxes, masks and categories; ids from 0."""
    root, *paths = coco

    def strip(content):
        for image in content['images']:
            del image['width'], image['height']
        for number, annotation in enumerate(content['annotations']):
            annotation['id'] = number
            del annotation['area'], annotation['iscrowd']

    for path in paths:
        change(path, strip)
    cfg = prepared(root)
    # COCO's evaluation takes what has the id 0 for not found.
    assert perfect(cfg)['coco/segm_mAP'] == pytest.approx(1)
    copy = json.loads(Path(leaf(cfg, 'train').ann_file).read_text())
    areas = [annotation['area'] for annotation in copy['annotations']]
    assert areas == [480, 640, 480, 640]
    lines = capfd.readouterr().out.splitlines()
    (line,) = (n for n in lines if 'instances_train.json: completed' in n)
    assert 'width and height of 2 pictures, iscrowd of 4 annotations' in line


def test_crowds_and_empty_boxes_and_pictures_are_mmdets(coco):
    root, *paths = coco

    def odd(content):
        crowd, empty, *_ = content['annotations']
        crowd.update(
            iscrowd=1, segmentation=dict(size=[80, 64], counts=[0, 80 * 64])
        )
        empty.update(bbox=[5, 5, 0, 3], area=0)
        del empty['segmentation']
        content['images'].append(
            dict(id=3, file_name='3.jpg', width=64, height=80)
        )

    for path in paths:
        change(path, odd)
        Image.new('RGB', (64, 80)).save(root / path.stem[10:] / '3.jpg')
    cfg = prepared(root)
    cfg.train_dataloader.num_workers = cfg.val_dataloader.num_workers = 0
    ResilientRunner.from_cfg(cfg).check_input()
    with DefaultScope.overwrite_default_scope('mmdet'):
        train, val = (DATASETS.build(leaf(cfg, s)) for s in ('train', 'val'))
    # Without annotations it is not trained on, but judged.
    assert (len(train), len(val)) == (2, 3)
    flags = [i['ignore_flag'] for i in val.get_data_info(0)['instances']]
    assert flags == [1]
    # The empty box is missed, and the third picture has nothing to find.
    assert 0.5 < perfect(cfg)['coco/segm_mAP'] < 1


def test_the_dumped_config_serves_other_data(coco, tmp_path):
    root, _, val = coco
    change(val, lambda content: content['categories'].reverse())
    cfg = prepared(root)
    given = as_given(cfg)
    path = tmp_path / 'dumped.py'
    given.dump(path)
    dumped = Config.fromfile(path)
    assert leaf(dumped, 'val').ann_file == 'annotations/instances_val.json'
    assert dumped.val_evaluator.ann_file == str(val)
    assert 'completed_annotations' not in dumped
    # Prepared once more, it is what it was.
    again = prepare(prepare(dumped))
    assert leaf(again, 'val').ann_file == leaf(cfg, 'val').ann_file
    assert again.val_evaluator.ann_file == cfg.val_evaluator.ann_file


def test_a_work_dir_at_the_root_adds_no_annotations(coco):
    root, *_ = coco
    before = {*(root / 'annotations').iterdir()}
    path = ROOT / 'configs/detection/mask-rcnn_vit-b_own.py'
    prepare(config_for_training(path, dict(classes='dog,cat'), root, root))
    assert {*(root / 'annotations').iterdir()} == before


def test_another_runs_annotations_are_left_alone(coco):
    root, *_ = coco
    first = leaf(prepared(root, classes='dog,cat'), 'train').ann_file
    assert leaf(prepared(root), 'train').ann_file.startswith('annotations')
    change(coco[1], lambda c: c['annotations'].pop())
    second = leaf(prepared(root, classes='dog,cat'), 'train').ann_file
    assert first != second
    assert len(json.loads(Path(first).read_text())['annotations']) == 4


def test_test_sets_without_annotations_are_read(coco):
    root, *_ = coco
    path = annotated(root, 'other', ('dog', 'cat'))
    change(path, lambda content: content.pop('annotations'))
    options = {
        'test_dataloader.dataset.ann_file': 'annotations/instances_other.json',
        'test_dataloader.dataset.data_prefix.img': 'other/',
    }
    cfg = prepared(root, **options)
    copy = json.loads(Path(leaf(cfg, 'test').ann_file).read_text())
    assert [c['name'] for c in copy['categories']] == ['cat', 'dog']


@pytest.fixture
def mixed(tmp_path):
    """Pictures of four kinds of names, and their label maps."""
    root = tmp_path / 'data'
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name in ('a.jpg', 'b.png', 'c.JPG', 'sub/d.webp'):
            picture = root / split / name
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (40, 32), 'grey').save(picture)
            label_map = (root / 'label_maps' / split / name).with_suffix(
                '.png'
            )
            label_map.parent.mkdir(parents=True, exist_ok=True)
            ids = rng.integers(0, 2, (32, 40), np.uint8)
            Image.fromarray(ids).save(label_map)
    (root / 'classes.txt').write_text('wall\nfloor\n')
    return root


SEGMENT = 'segmentation/upernet_vit-tiny_demo'


@pytest.mark.parametrize('name', [SEGMENT, 'segmentation/upernet_vit-b_own'])
def test_pictures_of_mixed_suffixes_are_all_used(mixed, name):
    cfg = prepared(mixed, name)
    assert cfg.classes == ['wall', 'floor']
    for split in ('train', 'val'):
        with DefaultScope.overwrite_default_scope('mmseg'):
            dataset = DATASETS.build(leaf(cfg, split))
        names = [
            dataset.get_data_info(i)['img_path'].removeprefix(
                f'{mixed}/{split}/'
            )
            for i in range(len(dataset))
        ]
        assert names == ['a.jpg', 'b.png', 'c.JPG', 'sub/d.webp']
        assert dataset.metainfo['classes'] == ['wall', 'floor']
        values = dataset[2]['data_samples'].gt_sem_seg.data.unique()
        assert set(values.tolist()) <= {0, 1, 255}


def test_linked_folders_have_label_maps_and_hidden_ones_none(tmp_path):
    for kind, suffix in (('pictures', 'jpg'), ('maps', 'png')):
        for folder in ('far', 'near/.snapshot', 'near'):
            (tmp_path / kind / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / kind / folder / f'1.{suffix}').touch()
        (tmp_path / kind / 'near/linked').symlink_to(tmp_path / kind / 'far')
    near = [tmp_path / kind / 'near' for kind in ('pictures', 'maps')]
    assert pair_label_maps(*near) == (
        [
            (near[0] / f'{name}.jpg', near[1] / f'{name}.png')
            for name in ('1', 'linked/1')
        ],
        *([], [], []),
    )


def test_a_list_of_names_selects(mixed):
    (mixed / 'some.txt').write_text('b\nsub/d\n')
    cfg = prepared(mixed, SEGMENT)
    dataset = leaf(cfg, 'val')
    dataset.ann_file = 'some.txt'
    with DefaultScope.overwrite_default_scope('mmseg'):
        assert len(DATASETS.build(dataset)) == 2
        (mixed / 'some.txt').write_text('b\nz\n')
        with pytest.raises(FileNotFoundError, match=r'some\.txt: z has no'):
            DATASETS.build(dataset)


def test_a_value_that_is_no_class_names_the_fix(mixed):
    Image.new('L', (40, 32), 8).save(mixed / 'label_maps/train/a.png')
    runner = ResilientRunner.from_cfg(prepared(mixed, SEGMENT))
    message = (
        r'has the value 8; there are 2 classes.* classes=NAME,.*classes=None'
    )
    with pytest.raises(ValueError, match=message):
        runner.check_input()


def test_a_checkpoint_of_other_classes_is_refused(mixed, tmp_path):
    small = {f'{s}_dataloader.num_workers': 0 for s in ('val', 'test')}
    path = ROOT / f'configs/{SEGMENT}.py'
    with DefaultScope.overwrite_default_scope('mmseg'):
        cfg = prepared(mixed, SEGMENT, classes='a,b,c,d,e,f,g')
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'seven.pth')
    tested = config_for_testing(
        path,
        str(tmp_path / 'seven.pth'),
        small,
        mixed,
        tmp_path / 'test',
    )
    (tmp_path / 'run.py').touch()
    message = (
        r'conv_seg\.(weight|bias): the model has \(2,.*checkpoint \(7,.*'
        r'run\.py is the config of its run'
    )
    with pytest.raises(ValueError, match=message) as error:
        ResilientRunner.from_cfg(tested).test()
    assert '\n' not in str(error.value)
