"""The demo data: exact labels, reproducible, and not solvable by colour."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.mask import area as mask_area
from scipy.stats import chi2_contingency
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ccmim_tools.demo import generate_demo
from ccmim_tools.demo.scenes import (
    SHAPES,
    compose_scene,
    shape_alpha,
    unit_contours,
)
from ccmim_tools.demo.textures import (
    GROUNDS,
    PHOTOS,
    load_regions,
    photo_columns,
)

COUNTS = {'train': 24, 'val': 12}
SIZE = 64


def _generate(out: Path, **changes: int) -> Path:
    numbers = {'num_train': 24, 'num_val': 12, 'size': SIZE, 'workers': 2}
    return generate_demo(out, **numbers | changes)


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    return _generate(tmp_path_factory.mktemp('made') / 'demo')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_masks_and_boxes_match_label_maps(demo, split):
    coco = COCO(demo / 'annotations' / f'instances_{split}.json')
    assert len(coco.imgs) == COUNTS[split]
    for image_id, image in coco.imgs.items():
        name = Path(image['file_name'])
        picture = cv2.imread(str(demo / split / name))
        assert picture.shape == (SIZE, SIZE, 3)
        assert (image['height'], image['width']) == (SIZE, SIZE)
        label_map = cv2.imread(
            str(demo / 'label_maps' / split / name.with_suffix('.png')),
            cv2.IMREAD_UNCHANGED,
        )
        assert label_map.dtype == np.uint8 and label_map.ndim == 2

        found = coco.loadAnns(coco.getAnnIds(imgIds=image_id))
        assert 1 <= len(found) <= 3
        masks = np.stack([coco.annToMask(each) for each in found])
        # Equality also says that the instances do not overlap.
        assert np.array_equal(masks.sum(0), label_map > 0)
        for each, mask in zip(found, masks, strict=True):
            rows, columns = np.nonzero(mask)
            x, y, width, height = each['bbox']
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width - 1, y + height - 1) == (
                columns.max(),
                rows.max(),
            )
            assert each['area'] == mask.sum()
            assert each['area'] == mask_area(coco.annToRLE(each))


def test_the_label_maps_values_have_names(demo):
    names = (demo / 'classes.txt').read_text().splitlines()
    assert names == ['background', *SHAPES]


@pytest.mark.parametrize('split', ['train', 'val'])
def test_label_map_and_category_agree(demo, split):
    coco = COCO(demo / 'annotations' / f'instances_{split}.json')
    assert [coco.cats[i]['name'] for i in range(1, 7)] == [*SHAPES]
    per_class = dict.fromkeys(GROUNDS, 0)
    for image_id, image in coco.imgs.items():
        name = Path(image['file_name'])
        per_class[name.parent.name] += 1
        path = demo / 'label_maps' / split / name.with_suffix('.png')
        label_map = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        found = coco.loadAnns(coco.getAnnIds(imgIds=image_id))
        (category,) = {each['category_id'] for each in found}
        assert set(np.unique(label_map)) == {0, category}
    assert set(per_class.values()) == {COUNTS[split] // len(GROUNDS)}
    folders = sorted(path.name for path in (demo / split).iterdir())
    assert folders == [*GROUNDS] == sorted(GROUNDS)


def test_same_bytes_for_any_number_of_workers(demo, tmp_path):
    alone = _generate(tmp_path / 'alone', workers=1)
    assert _files(alone) == _files(demo)


def test_seed_changes_every_picture(demo, tmp_path):
    other = _files(_generate(tmp_path / 'other', seed=1))
    pictures = {k: v for k, v in _files(demo).items() if k.endswith('.jpg')}
    assert len(pictures) == sum(COUNTS.values())
    assert all(other[name] != content for name, content in pictures.items())


def test_complete_folder_is_left_alone(demo):
    before = {path: path.stat().st_mtime_ns for path in demo.rglob('*')}
    assert _generate(demo) == demo
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert [path.name for path in demo.parent.iterdir()] == ['demo']


def test_other_parameters_never_overwrite(demo):
    before = _files(demo)
    with pytest.raises(FileExistsError, match='choose another folder'):
        _generate(demo, seed=1)
    assert _files(demo) == before


@pytest.mark.parametrize('manifest', [None, 'no json', '{"seed": 0}'])
def test_foreign_folder_is_never_overwritten(tmp_path, manifest):
    (tmp_path / 'precious.txt').write_text('keep')
    if manifest is not None:
        (tmp_path / 'demo_manifest.json').write_text(manifest)
    before = _files(tmp_path)
    with pytest.raises(FileExistsError, match='left untouched'):
        _generate(tmp_path)
    assert _files(tmp_path) == before


def test_failed_run_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        'ccmim_tools.demo.data._write_all',
        lambda root, *_: [root.mkdir(), 1 / 0],
    )
    with pytest.raises(ZeroDivisionError):
        _generate(tmp_path / 'demo')
    assert list(tmp_path.iterdir()) == []


def test_readme_names_every_photograph(demo):
    text = (demo / 'README.txt').read_text()
    assert 'NOT a benchmark' in text
    assert all(f'{p.package}/{p.path}: {p.licence}' in text for p in PHOTOS)
    manifest = json.loads((demo / 'demo_manifest.json').read_text())
    assert manifest['size'] == SIZE


@pytest.mark.parametrize(
    ('name', 'value'),
    [('num_train', 5), ('num_val', 0), ('size', 31), ('seed', -1)],
)
def test_too_small_numbers_are_refused(tmp_path, name, value):
    with pytest.raises(ValueError, match=f'{name} must be >= .*{value}'):
        _generate(tmp_path / 'demo', **{name: value})


@pytest.mark.parametrize('width', [1, 2, 7, 451, 1000])
def test_regions_of_the_splits_are_disjoint(width):
    columns = np.arange(width)
    train = columns[photo_columns(width, 'train')]
    val = columns[photo_columns(width, 'val')]
    assert np.array_equal(np.concatenate([train, val]), columns)


def test_regions_follow_the_columns():
    pairs = zip(load_regions('train'), load_regions('val'), strict=True)
    for train, val in pairs:
        width = train.shape[1] + val.shape[1]
        assert train.shape[1] == round(0.6 * width)
    with pytest.raises(ValueError, match='test'):
        photo_columns(10, 'test')


@pytest.mark.parametrize('shape', SHAPES)
def test_shapes_have_equal_areas(shape):
    assert len(unit_contours(shape)) == (2 if shape == 'ring' else 1)
    alpha = shape_alpha(shape, np.array([48.0, 50.0]), 20.0, 0.7, 96)
    assert alpha.sum() == pytest.approx(np.pi * 20**2, rel=0.05)
    rows, columns = np.nonzero(alpha)
    centre = np.average(np.stack([columns, rows]), 1, alpha[rows, columns])
    assert centre + 0.5 == pytest.approx([48, 50], abs=0.5)


def test_objects_stay_visible():
    # The smallest equal-area radius is 16 % of the side.
    smallest = np.pi * (0.16 * SIZE) ** 2
    for index in range(120):
        masks = compose_scene('train', index, 0, SIZE).masks
        assert masks.sum((1, 2)).min() > 0.8 * smallest


def test_the_shape_tells_nothing_of_the_ground():
    table = np.zeros((len(GROUNDS), len(SHAPES)), int)
    for index in range(600):
        scene = compose_scene('train', index, 0, 32)
        assert scene.ground == [*GROUNDS][index % len(GROUNDS)]
        table[index % len(GROUNDS), SHAPES.index(scene.shape)] += 1
    assert chi2_contingency(table).pvalue > 0.01


def test_a_colour_histogram_tells_little():
    def histograms(split: str, count: int) -> np.ndarray:
        features = []
        for index in range(count):
            bins = compose_scene(split, index, 0, 48).image // 64
            codes = bins.astype(int) @ [16, 4, 1]
            features.append(np.bincount(codes.ravel(), minlength=64))
        return np.stack(features)

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(histograms('train', 600), np.arange(600) % len(GROUNDS))
    accuracy = model.score(histograms('val', 300), np.arange(300) % 6)
    # A sixth by chance; grains have histograms of their own.
    assert accuracy < 0.4
