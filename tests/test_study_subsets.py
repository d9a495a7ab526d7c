"""Rebuilding the study's subsets from the data sets as published."""

import gzip
import hashlib
import importlib.util
import json

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

PATH = ROOT / 'tools/dataset_converters/study_subsets.py'


@pytest.fixture
def tool(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('study_subsets', PATH)
    # As for a script, whose folder is where Python looks first.
    monkeypatch.syspath_prepend(PATH.parent)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'LISTS', tmp_path)
    return module


def write_list(folder, name, checksums):
    lines = (f'{value}  {path}\n' for path, value in checksums.items())
    data = gzip.compress(''.join(lines).encode())
    (folder / f'{name}.sha256.gz').write_bytes(data)


def picture(path, seed, size=(64, 64)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_the_lists_are_of_the_subsets(tool):
    lists = ROOT / 'docs/study'
    eurosat = tool.read_list(lists / 'eurosat.sha256.gz')
    folders = [path.rsplit('/', 1)[0] for path in eurosat]
    assert len(set(folders)) == 20
    for folder in set(folders):
        expected = 900 if folder.startswith('train/') else 300
        assert folders.count(folder) == expected
    assert len(set(eurosat.values())) == len(eurosat)
    pets = tool.read_list(lists / 'pets.sha256.gz')
    count = {s: sum(p.startswith(s) for p in pets) for s in ('train', 'val')}
    assert count == dict(train=480, val=120)
    maps = {p for p in pets if p.startswith('label_maps/')}
    assert maps == {
        f'label_maps/{p[:-4]}.png' for p in pets if p.startswith('val/')
    }
    dense = tool.read_list(lists / 'pets_dense.sha256.gz')
    assert len(dense) == 2 * 600 + 2
    for path, value in pets.items():
        split, _, file = path.removeprefix('label_maps/').split('/')
        folder = 'img_dir' if path.endswith('.jpg') else 'ann_dir'
        assert dense[f'{folder}/{split}/{file}'] == value
    cells = tool.read_list(lists / 'cells.sha256.gz')
    assert sum(path.startswith('images/') for path in cells) == 364
    assert len(cells) == 364 + 3


def test_eurosat_is_found_by_content(tool, tmp_path, capsys):
    source, out = tmp_path / 'source', tmp_path / 'out'
    for i in range(3):
        picture(source / f'2750/River/River_{i}.jpg', i)
    wanted = {
        'train/River/0000.jpg': tool.checksum(
            source / '2750/River/River_2.jpg'
        ),
        'val/River/0000.jpg': tool.checksum(source / '2750/River/River_0.jpg'),
    }
    write_list(tmp_path, 'eurosat', wanted)
    tool.main(['eurosat', str(source), str(out)])
    assert '2 files' in (text := capsys.readouterr().out)
    assert '2 the same to the bit' in text
    found = {str(p.relative_to(out)) for p in out.rglob('*.jpg')}
    assert found == set(wanted)
    with pytest.raises(SystemExit, match='left untouched'):
        tool.main(['eurosat', str(source), str(out)])
    (source / '2750/River/River_0.jpg').unlink()
    with pytest.raises(SystemExit, match='1 of 2 files are not in'):
        tool.main(['eurosat', str(source), str(tmp_path / 'again')])


def test_pets_are_resized_and_their_trimaps_labelled(tool, tmp_path, capsys):
    source, out = tmp_path / 'source', tmp_path / 'out'
    picture(source / 'images/Bengal_1.jpg', 0, (400, 512))
    picture(source / 'images/Bengal_2.jpg', 0, (200, 180))
    trimap = np.full((512, 400), 2, np.uint8)
    trimap[:256] = 1
    trimap[254:258] = 3
    path = source / 'annotations/trimaps/Bengal_1.png'
    path.parent.mkdir(parents=True)
    Image.fromarray(trimap).save(path)
    names = ['val/Bengal/Bengal_1.jpg', 'label_maps/val/Bengal/Bengal_1.png']
    wanted = dict.fromkeys([*names, 'train/Bengal/Bengal_2.jpg'], '0')
    write_list(tmp_path, 'pets', wanted)
    tool.main(['pets', str(source), str(out)])
    assert 'another resizing' in capsys.readouterr().out
    with Image.open(out / names[0]) as image:
        assert image.size == (256, 328)
    with Image.open(out / 'train/Bengal/Bengal_2.jpg') as image:
        assert image.size == (200, 180)
    label_map = np.asarray(Image.open(out / names[1]))
    assert label_map.shape == (328, 256)
    assert np.unique(label_map[:160]).tolist() == [2]
    assert np.unique(label_map[168:]).tolist() == [0]
    assert 255 in label_map
    with pytest.raises(SystemExit, match='Bengal_1'):
        tool.main(['pets', str(source / 'images'), str(tmp_path / 'again')])


def test_pets_with_dense_labels(tool, tmp_path):
    pytest.importorskip('pycocotools')
    source, out = tmp_path / 'source', tmp_path / 'out'
    trimap = np.full((40, 60), 2, np.uint8)
    for number, animal in ((1, 0), (2, 1)):
        picture(source / f'images/american_bulldog_{number}.jpg', 0, (60, 40))
        # Of the first picture nothing is sure.
        trimap[10:15, 20:50] = 1 if animal else 3
        path = source / f'annotations/trimaps/american_bulldog_{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(trimap).save(path)
    names = [f'american_bulldog_{number}' for number in (1, 2)]
    wanted = ['annotations/instances_train.json']
    wanted += [f'img_dir/train/{name}.jpg' for name in names]
    wanted += [f'ann_dir/train/{name}.png' for name in names]
    write_list(tmp_path, 'pets_dense', dict.fromkeys(wanted, '0'))
    tool.main(['pets_dense', str(source), str(out)])
    coco = json.loads((out / wanted[0]).read_text())
    assert [image['id'] for image in coco['images']] == [1, 2]
    (animal,) = coco['annotations']
    assert (animal['id'], animal['image_id'], animal['category_id']) == (
        *(1, 2),
        3,
    )
    assert (animal['bbox'], animal['area']) == ([20, 10, 30, 5], 150)
    with Image.open(out / wanted[-1]) as image:
        assert (np.asarray(image) == 3).sum() == 150
    with Image.open(out / wanted[-2]) as image:
        assert set(np.unique(image)) == {0, 255}


CELL = """<annotation><size><width>64</width><height>48</height></size>
<object><name>Platelets</name><bndbox><xmin>3</xmin><ymin>4</ymin>
<xmax>13</xmax><ymax>24</ymax></bndbox></object></annotation>"""


def test_cells_become_coco_files(tool, tmp_path, capsys):
    source, out = tmp_path / 'source', tmp_path / 'out'
    for folder in ('Annotations', 'ImageSets/Main'):
        (source / folder).mkdir(parents=True)
    for name in ('BloodImage_00000', 'BloodImage_00007'):
        picture(source / f'JPEGImages/{name}.jpg', 0, (64, 48))
        (source / f'Annotations/{name}.xml').write_text(CELL)
    lists = source / 'ImageSets/Main'
    (lists / 'val.txt').write_text('BloodImage_00007\n')
    wanted = dict.fromkeys(
        [
            *('images/BloodImage_00000.jpg', 'images/BloodImage_00007.jpg'),
            'annotations/instances_val.json',
        ],
        '0',
    )
    write_list(tmp_path, 'cells', wanted)
    tool.main(['cells', str(source), str(out)])
    assert '3 files' in capsys.readouterr().out
    coco = json.loads((out / 'annotations/instances_val.json').read_text())
    # The number among all pictures of the set.
    assert coco['images'] == [
        dict(id=2, file_name='BloodImage_00007.jpg', width=64, height=48)
    ]
    (cell,) = coco['annotations']
    assert (cell['image_id'], cell['category_id']) == (2, 3)
    assert (cell['bbox'], cell['area']) == ([3, 4, 10, 20], 200)
    (source / 'Annotations/BloodImage_00007.xml').write_text('<annotation/>')
    with pytest.raises(SystemExit, match='no file of Pascal VOC'):
        tool.main(['cells', str(source), str(tmp_path / 'again')])
    broken = [CELL.replace('Platelets', 'Dog'), '<annotation>']
    for number, text in enumerate(broken):
        (source / 'Annotations/BloodImage_00007.xml').write_text(text)
        with pytest.raises(SystemExit, match='give its folder BCCD'):
            tool.main(['cells', str(source), str(tmp_path / f'{number}')])


def test_dense_pets_without_pycocotools_are_refused(
    tool, tmp_path, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name: None if name == 'pycocotools' else find(name),
    )
    write_list(tmp_path, 'pets_dense', {'img_dir/train/a.jpg': '0'})
    (tmp_path / 'source').mkdir()
    with pytest.raises(SystemExit, match='pip install pycocotools'):
        tool.main(['pets_dense', f'{tmp_path}/source', f'{tmp_path}/out'])


def test_tiny_imagenet_is_found_by_names(tool, tmp_path, capsys):
    source, out = tmp_path / 'source', tmp_path / 'out'
    for i in range(4):
        picture(source / f'train/n01/images/n01_{i}.JPEG', i)
        picture(source / f'val/images/val_{i}.JPEG', 10 + i)
    lines = {}
    for folder, images, stem, numbers in (
        ('train/n01', 'train/n01/images', 'n01', (1, 3)),
        ('val/n01', 'val/images', 'val', (0,)),
    ):
        data = b''.join(
            (source / images / f'{stem}_{i}.JPEG').read_bytes()
            for i in numbers
        )
        name = f'{folder}  {",".join(map(str, numbers))}'
        lines[name] = hashlib.sha256(data).hexdigest()
    write_list(tmp_path, 'tinyin', lines)
    tool.main(['tinyin', str(source), str(out)])
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob('*.JPEG'))
    assert found == [
        *('train/n01/n01_1.JPEG', 'train/n01/n01_3.JPEG'),
        'val/n01/val_0.JPEG',
    ]
    assert '3 files' in (text := capsys.readouterr().out)
    assert '3 the same to the bit' in text
    (source / 'train/n01/images/n01_1.JPEG').unlink()
    with pytest.raises(SystemExit, match='n01_1'):
        tool.main(['tinyin', str(source), str(tmp_path / 'other')])
    picture(source / 'train/n01/images/n01_1.JPEG', 7)
    tool.main(['tinyin', str(source), str(tmp_path / 'third')])
    assert '1 the same to the bit' in capsys.readouterr().out


def test_the_list_of_tiny_imagenet_is_of_the_subset(tool):
    lines = tool.read_list(ROOT / 'docs/study/tinyin.sha256.gz')
    counts = {}
    for name in lines:
        folder = name.partition('  ')[0]
        counts[folder] = len(set(tool.tinyin_files(name)))
    assert len(counts) == 400
    for folder, count in counts.items():
        assert count == (200 if folder.startswith('train/') else 20)
