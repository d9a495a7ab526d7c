import copy
import json

import numpy as np
import pytest
from PIL import Image

from ccmim_mm.datasets.coco import check_coco, complete_coco
from ccmim_mm.datasets.picture_sizes import size_as_loaded

pytestmark = pytest.mark.slow


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
                area=12.5,
                iscrowd=0,
                segmentation=[[0, 0, 5, 0, 5, 5]],
            )
        ],
        categories=[dict(id=3, name='cat')],
    )


def check(content, root, classes=('cat',), with_mask=True, **kwargs):
    path = root / 'ann.json'
    path.write_text(json.dumps(content))
    return check_coco(path, root, classes, with_mask, **kwargs)


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
        (dict(bbox='0 0 5 5'), 'annotation 1 has no box of four numbers'),
        (dict(bbox=[0, 0, -5, 5]), r'box \[0, 0, -5, 5\] is not x, y, width'),
        (dict(bbox=[0, 0, float('nan'), 5]), 'is not x, y, width, height'),
        (dict(bbox=[0, 0, '5', 5]), 'is not x, y, width, height'),
        (dict(bbox=[0, 0, True, 5]), 'is not x, y, width, height'),
        (dict(iscrowd='0'), "iscrowd is '0', not 0 or 1"),
        (dict(image_id=[7]), r'of picture \[7\], not listed'),
        (dict(segmentation=[[0, 0, 5, 5]]), 'its mask is neither polygons'),
        (dict(segmentation='mask'), 'its mask is neither polygons'),
        (
            dict(segmentation=dict(size=[20, 10], counts=[200])),
            'its mask is neither polygons',
        ),
        (dict(segmentation=[[0, 0, 1e9, 0, 1e9, 5]]), 'in or near its pict'),
        (dict(segmentation=[[0, 0, 5, -(10**400), 5, 5]]), 'in or near its'),
        (dict(segmentation=[[0, 0, 5, float('nan'), 5, 5]]), 'in or near it'),
        (dict(segmentation=dict(size=[10, 20], counts='1')), 'nor run length'),
        (dict(segmentation=dict(size=[10, 20], counts='')), 'nor run length'),
        (dict(segmentation=dict(size=[10, 20], counts='X5')), 'nor run leng'),
        (dict(segmentation=dict(size=[10, 20], counts='o')), 'nor run length'),
        (
            dict(segmentation=dict(size=[10, 20], counts='\ud800')),
            'nor run le',
        ),
        (dict(segmentation=[]), 'no mask; the faster-rcnn'),
    ],
)
def test_a_wrong_annotation_is_named(coco, tmp_path, change, message):
    coco['annotations'][0].update(change)
    with pytest.raises(ValueError, match=f'ann.json: .*{message}'):
        check(coco, tmp_path)


@pytest.mark.parametrize('share', [0, 0.02, 0.5, 1])
def test_compressed_run_lengths_pass_where_they_are_of_the_picture(
    coco, tmp_path, share
):
    run_lengths = pytest.importorskip('pycocotools.mask')
    mask = np.random.default_rng(0).random((10, 20)) < share
    encoded = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = encoded['counts'].decode()
    coco['annotations'][0]['segmentation'] = dict(size=[10, 20], counts=counts)
    check(coco, tmp_path)
    coco['images'][0]['width'] = 21
    coco['annotations'][0]['segmentation']['size'] = [10, 21]
    with pytest.raises(ValueError, match='nor run lengths of it'):
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


@pytest.mark.parametrize(
    ('part', 'entry', 'message'),
    [
        ('images', dict(id=7, file_name='b.jpg'), 'picture id 7 is there'),
        ('images', dict(id=8, file_name='a.jpg'), "picture 'a.jpg' is there"),
        ('images', dict(file_name='b.jpg'), 'picture id None is no whole'),
        ('images', dict(id=8), 'picture None is no name'),
        ('categories', dict(id=3, name='dog'), 'category id 3 is there'),
        ('categories', dict(id=4, name='cat'), "category 'cat' is there"),
        ('categories', dict(id=4), 'category None is no name'),
        ('annotations', dict(id=1), 'annotation 1 is there twice'),
        ('annotations', 'nothing', '"annotations" is no list of entries'),
    ],
)
def test_what_is_listed_twice_or_is_nothing_is_refused(
    coco, tmp_path, part, entry, message
):
    if entry == dict(id=1):
        entry = copy.deepcopy(coco[part][0])
    coco[part].append(entry)
    with pytest.raises(ValueError, match=message):
        check(coco, tmp_path, ['cat', 'dog'][: len(coco['categories'])])


def complete(content, root, classes=('cat',), with_mask=False):
    return complete_coco(content, 'ann.json', root, classes, with_mask)


def test_what_is_complete_stays_as_it_is(coco, tmp_path):
    before = copy.deepcopy(coco)
    assert complete(coco, tmp_path, with_mask=True) == []
    assert coco == before


def test_categories_come_in_the_order_of_the_classes(coco, tmp_path):
    coco['categories'] = [dict(id=i, name=n) for i, n in enumerate('abc', 1)]
    done = complete(coco, tmp_path, ['c', 'a', 'b'])
    assert done == ['categories in the order of the classes']
    assert [c['id'] for c in coco['categories']] == [3, 1, 2]


def test_what_is_missing_is_filled_in(coco, tmp_path):
    for key in ('width', 'height'):
        del coco['images'][0][key]
    for key in ('area', 'iscrowd', 'id', 'segmentation'):
        del coco['annotations'][0][key]
    coco['annotations'].append(dict(coco['annotations'][0], id=0))
    assert complete(coco, tmp_path) == [
        'width and height of 1 pictures',
        'iscrowd of 2 annotations',
        'area of 2 annotations',
        'id of 2 annotations',
    ]
    assert coco['images'][0]['width'] == 20
    assert coco['images'][0]['height'] == 10
    for number, annotation in enumerate(coco['annotations'], 1):
        found = [annotation[key] for key in ('area', 'iscrowd', 'id')]
        assert found == [200, 0, number]


def test_a_size_that_cannot_be_read_is_asked_for(coco, tmp_path):
    del coco['images'][0]['width']
    (tmp_path / 'a.jpg').write_bytes(b'no picture')
    with pytest.raises(ValueError, match=r'a\.jpg cannot be read .* width'):
        complete(coco, tmp_path)
    (tmp_path / 'a.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'ann\.json: picture a\.jpg'):
        complete(coco, tmp_path)


def test_the_size_is_that_of_the_upright_picture(tmp_path):
    import mmcv

    turned = Image.Exif()
    turned[0x0112] = 6
    for suffix in ('jpg', 'png', 'webp', 'tif'):
        path = tmp_path / f'a.{suffix}'
        Image.new('RGB', (20, 10)).save(path, exif=turned)
        loaded = mmcv.imread(str(path))
        assert size_as_loaded(path) == loaded.shape[1::-1]
    assert size_as_loaded(tmp_path / 'a.jpg') == (10, 20)


def test_another_size_than_annotated_is_refused(coco, tmp_path):
    Image.new('RGB', (40, 20)).save(tmp_path / 'a.jpg')
    with pytest.raises(ValueError, match=r'40 x 20 .* annotated as 20 x 10'):
        check(coco, tmp_path)
    # It is replaced, as in any training.
    (tmp_path / 'a.jpg').write_bytes(b'no picture')
    check(coco, tmp_path)
    with pytest.raises(ValueError, match=r'a\.jpg: .*; replace it, or remo'):
        check(coco, tmp_path, judged=True)


def test_what_mmdet_leaves_out_is_counted(coco, tmp_path):
    Image.new('RGB', (20, 10)).save(tmp_path / 'b.jpg')
    coco['images'].append(dict(coco['images'][0], id=9, file_name='b.jpg'))
    thin = dict(coco['annotations'][0], id=2, bbox=[30, 3, 0, 5])
    crowd = dict(coco['annotations'][0], id=3, iscrowd=1)
    del thin['segmentation'], crowd['segmentation']
    coco['annotations'] += [thin, crowd]
    assert check(coco, tmp_path) == ['1 annotations without a size']
    assert check(coco, tmp_path, filter_cfg=dict(filter_empty_gt=True)) == [
        '1 pictures without annotations',
        '1 annotations without a size',
    ]
    with pytest.raises(ValueError, match=r'no picture is left .* 2 are small'):
        check(coco, tmp_path, filter_cfg=dict(min_size=32))
