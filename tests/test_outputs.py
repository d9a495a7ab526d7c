"""What the tools write: never over what is there, a file for each picture."""

import os

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, build
from mmengine.config import Config
from mmpretrain.registry import MODELS
from odd_pictures import NAMES, encoded
from PIL import Image
from run_helpers import bare, config, train

from ccmim_mm.apis import config_for_testing, extract_features
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.files import beside, check_output, printable

pytestmark = pytest.mark.slow

PRETRAINING = ROOT / 'tests/tiny_config.py'
CLASSIFIER = ROOT / 'configs/classification/vit-tiny_finetune_demo.py'
#: Three-class folders with names that no text file takes, alike within.
CLASSES = (b'cla\xdfe', b'two\nlines', b'$a$_{')


@pytest.fixture
def odd_folder(tmp_path):
    """train/ and val/ of such classes; a picture broken in each split."""
    root = tmp_path / os.fsdecode(b'd\xe4ta')
    for split in ('train', 'val'):
        for i, name in enumerate(map(os.fsdecode, CLASSES)):
            folder = root / split / name
            folder.mkdir(parents=True)
            pixels = np.zeros((40, 40, 3), np.uint8)
            pixels[..., i] = 220
            for j in range(3):
                (folder / f'{j}.png').write_bytes(encoded('PNG', pixels))
        (folder / os.fsdecode(b'broken \xe9\n.png')).write_bytes(b'no')
    return root


@pytest.mark.parametrize(
    ('out', 'message'),
    [
        ('full', 'full exists'),
        ('file.npz', 'file.npz exists'),
        ('dangling', 'dangling exists'),
        ('data', 'data exists'),
        ('data/new/er', 'data folder'),
        ('data/empty', 'data folder'),
        ('link/new', 'data folder'),
    ],
)
def test_an_output_is_never_over_what_is_there(tmp_path, out, message):
    for name in ('full', 'data', 'empty', 'data/empty'):
        (tmp_path / name).mkdir()
    for name in ('full/x', 'file.npz', 'data/a.jpg'):
        (tmp_path / name).touch()
    (tmp_path / 'link').symlink_to('data')
    (tmp_path / 'dangling').symlink_to('nowhere')
    data = tmp_path / 'data'
    with pytest.raises(FileExistsError, match=message):
        check_output(tmp_path / out, data)
    check_output(tmp_path / 'empty', data)
    with pytest.raises(FileExistsError, match='empty exists'):
        check_output(tmp_path / 'empty', data, file=True)
    check_output(tmp_path / 'new/er', data)


def test_an_output_is_not_above_the_data(tmp_path):
    """Which is not there yet, or lies behind a link."""
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileExistsError, match='holds or lies in the data'):
        check_output(tmp_path / 'empty', tmp_path / 'empty' / 'later')


@pytest.mark.parametrize('out', ['file/new', 'dangling/new', '/proc/new'])
def test_a_place_that_takes_no_file_is_refused(tmp_path, out):
    (tmp_path / 'file').touch()
    (tmp_path / 'dangling').symlink_to('nowhere')
    with pytest.raises(OSError, match=r'new cannot be written, as .* takes'):
        check_output(tmp_path / out)
    assert {path.name for path in tmp_path.iterdir()} == {'file', 'dangling'}


def test_names():
    for name in map(os.fsdecode, NAMES):
        assert printable(name).isprintable()
        assert printable(printable(name)) == printable(name)
        drawn = os.fsencode(os.path.basename(beside(f'a/{name}', '.png')))
        assert len(drawn) <= 255 and drawn.endswith(b'.png')
    assert beside('a/b.jpg', '.png') == 'a/b.jpg.png'
    longer, long = ('x' * 249 + end + '.jpg' for end in '12')
    assert beside(longer, '.png') != beside(long, '.png')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'tiny.pth'
    torch.save(dict(state_dict=build(dict(TINY)).state_dict()), path)
    return str(path)


def test_attention_keeps_every_picture_apart(checkpoint, tmp_path):
    data = tmp_path / 'data'
    data.mkdir()
    names = [*map(os.fsdecode, NAMES), 'a.jpg', 'a.png', 'a.b.jpg']
    for name in names:
        (data / name).write_bytes(encoded('PNG'))
    out, seen = tmp_path / 'f.npz', tmp_path / 'seen'
    args = Config.fromfile(PRETRAINING), checkpoint, str(data)
    extract_features(*args, str(out), ('cls',), str(seen), 4, 0)
    assert np.load(out)['paths'].tolist() == sorted(names, key=os.fsencode)
    drawn = {path.name for path in seen.iterdir()}
    assert drawn == {beside(name, '.png') for name in names}
    assert {'a.jpg.png', 'a.png.png', 'a.b.jpg.png'} < drawn


@pytest.mark.parametrize('where', ['data', 'data/within', '.'])
def test_attention_never_lands_on_the_pictures(checkpoint, tmp_path, where):
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'a.png').write_bytes(before := encoded('PNG'))
    cfg = Config.fromfile(PRETRAINING)
    out = tmp_path / 'f.npz'
    args = cfg, checkpoint, str(data), str(out), ('cls',)
    with pytest.raises(FileExistsError, match='left untouched'):
        extract_features(*args, str(tmp_path / where), 4, 0)
    assert (data / 'a.png').read_bytes() == before
    assert not out.exists() and len([*tmp_path.rglob('*')]) == 2


def classifier_test(data, checkpoint, tmp_path, **options):
    """The test of a tiny classifier."""
    tiny = Config.fromfile(ROOT / 'tests/tiny_grid.py').datasets.pictures
    overrides = {
        **tiny.finetune.options,
        'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
        'test_dataloader.dataset.dataset.pipeline.1.scale': 32,
        'test_dataloader.dataset.dataset.pipeline.2.crop_size': 32,
    }
    cfg = config_for_testing(
        CLASSIFIER, checkpoint, overrides, data, tmp_path / 'test', **options
    )
    cfg.experiment_name = cfg.visualizer.name = f'show{tmp_path}'
    return cfg


def test_a_drawing_for_each_picture_of_many_of_one_name(odd_folder, tmp_path):
    shown, path = tmp_path / 'shown', tmp_path / 'classifier.pth'
    torch.save(dict(state_dict={}), path)
    args = odd_folder, str(path), tmp_path
    cfg = classifier_test(*args, show_dir=str(shown))
    model = dict(cfg.model, train_cfg=None)
    model['head'] = dict(model['head'], num_classes=3)
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), path)
    ResilientRunner.from_cfg(cfg).test()
    drawn = sorted(shown.rglob('*.png'), key=os.fsencode)
    assert [str(p.relative_to(shown)) for p in drawn] == sorted(
        (
            f'val/{os.fsdecode(name)}/{j}.png.png'
            for name in CLASSES
            for j in range(3)
        ),
        key=os.fsencode,
    )
    for channel, name in enumerate(map(os.fsdecode, CLASSES)):
        with Image.open(shown / 'val' / name / '1.png.png') as image:
            corner = np.asarray(image)[-3:, -3:].mean((0, 1))
        assert corner.argmax() == channel and corner[channel] > 200
    (bad,) = (tmp_path / 'test').glob('bad_images.txt')
    (line,) = bad.read_text().splitlines()
    assert r'val/two\nlines' not in line and r'broken \udce9\n.png: ' in line
    for taken in (shown, odd_folder, odd_folder / 'val' / 'new'):
        with pytest.raises(FileExistsError, match='left untouched'):
            classifier_test(*args, show_dir=str(taken))


def test_a_pre_training_has_no_predictions_to_draw(odd_folder, checkpoint):
    with pytest.raises(ValueError, match='predictions of downstream tasks'):
        config_for_testing(
            PRETRAINING, checkpoint, data=odd_folder, show_dir='shown'
        )


def test_drawing_is_one_processes_work(monkeypatch):
    from ccmim_mm.engine import DrawPredictionsHook
    from ccmim_mm.engine.hooks import draw_predictions_hook

    monkeypatch.setattr(draw_predictions_hook, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match='draws with one process'):
        DrawPredictionsHook('out').before_test(None)


def test_classes_of_any_name_are_judged_and_resumed(odd_folder, tmp_path):
    work_dir = tmp_path / 'work'
    options = {'randomness.seed': 1}
    runner = train(odd_folder, work_dir, 1, options)
    judged = runner.message_hub.get_scalar('val/knn_cls').current()
    assert judged > 60
    cfg = bare(config(odd_folder, work_dir, 2, options, resume='auto'))
    resumed = ResilientRunner.from_cfg(cfg)
    resumed.train()
    assert resumed.epoch == 2
    listed = (work_dir / 'bad_images.txt').read_text().splitlines()
    assert listed and all(line.isprintable() for line in listed)
    log = max(work_dir.glob('*/*.log'))
    assert r'd\udce4ta' in log.read_text()
    checkpoint = torch.load(work_dir / 'epoch_2.pth', weights_only=True)
    assert 'state_dict' in checkpoint
    with pytest.raises(ValueError, match=r'w\\udcf6rk is not UTF-8, which Op'):
        train(odd_folder, tmp_path / os.fsdecode(b'w\xf6rk'))
