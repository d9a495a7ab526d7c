"""The names file in a config that a run keeps: of whatever data it gets."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from mmengine.config import Config

from ccmim_mm.apis import config_for_training
from ccmim_mm.datasets.data_root import leaf
from ccmim_mm.engine.runner.prepare import as_given, prepare
from ccmim_mm.engine.runner.settings import changes, settings_of

CONFIG = ROOT / 'configs/classification/vit-b_finetune_1pct_in1k.py'
OPTION = 'train_dataloader.dataset.dataset.names_file'


def prepared(config, data, **options):
    return prepare(
        config_for_training(config, {'classes': None, **options}, data)
    )


def names_file(cfg):
    return leaf(cfg, 'train').names_file


@pytest.fixture
def data(picture_folder, tmp_path, monkeypatch):
    """Two folders of one kind, ``one`` and ``other``, where tests run."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.chdir(tmp_path)
    for name in ('one', 'other'):
        shutil.copytree(picture_folder, name)
        Path(name, 'meta').mkdir()
        Path(name, 'meta', '1percent.txt').write_text('red/0.png\n')
    return tmp_path


@pytest.mark.parametrize('absolute', [False, True])
def test_it_is_that_of_the_data(absolute, data):
    one, other = (
        str(data / name) if absolute else name for name in ('one', 'other')
    )
    cfg = prepared(CONFIG, one)
    as_given(cfg).dump('kept.py')
    assert names_file(Config.fromfile('kept.py')) == 'meta/1percent.txt'
    again = prepared('kept.py', one)
    assert names_file(again) == f'{one}/meta/1percent.txt'
    # A resume finds nothing changed.
    assert not changes(settings_of(cfg), settings_of(again))
    assert names_file(prepared('kept.py', other)) == (
        f'{other}/meta/1percent.txt'
    )


def test_one_that_lies_elsewhere_stays_there(data):
    path = data / 'few.txt'
    path.write_text('red/0.png\n')
    cfg = prepared(CONFIG, 'one', **{OPTION: str(path)})
    as_given(cfg).dump('kept.py')
    assert names_file(prepared('kept.py', 'other')) == str(path)
