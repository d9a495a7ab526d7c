"""Rebuilding the study's subsets from the data sets as published."""

import gzip
import hashlib
import importlib.util

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

PATH = ROOT / 'tools/dataset_converters/study_subsets.py'


@pytest.fixture
def tool(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('study_subsets', PATH)
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
