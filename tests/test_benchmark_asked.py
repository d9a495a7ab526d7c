"""``ccmim bench`` measures what is asked for, or says why it does not."""

import json
import logging
import sys

import pytest
from conftest import ROOT

from ccmim_tools.benchmark import main

TINY = str(ROOT / 'tests/tiny_config.py')


@pytest.fixture(autouse=True)
def _logging():
    yield
    # The tool silences it.
    logging.disable(logging.NOTSET)


@pytest.fixture
def rates(tmp_path, picture_folder):
    """Measure the loading of a few pictures; setting and rows."""

    def measure(config, *options):
        path = tmp_path / 'figures.json'
        main(
            [
                *('data', '--config', config, '--data', str(picture_folder)),
                *('--workers', '0', '--pictures', '12', '--batch-size', '4'),
                *('--repeats', '1', '--device', 'cpu', '--json', str(path)),
                *options,
            ]
        )
        found = json.loads(path.read_text())['data']
        return found['setting'], found['rows']

    return measure


@pytest.mark.parametrize(
    'config',
    ['mocov3_vit-tiny_demo', 'simclr_vit-tiny_demo', 'densecl_resnet18_demo'],
)
def test_rates_of_pictures_of_two_views(rates, config):
    setting, rows = rates(config)
    assert (setting['img_size'], setting['views']) == (64, 2)
    (row,) = rows
    share = row['pipeline pictures/s'] / row['bare pictures/s']
    assert row['share'] == pytest.approx(share)


def test_a_picture_of_two_views_is_counted_once(picture_folder):
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    from ccmim_mm.datasets.data_root import apply_data_root
    from ccmim_tools.benchmarks.data import DataRates

    cfg = Config.fromfile(ROOT / 'configs/mocov3_vit-tiny_demo.py')
    cfg.data_root = str(picture_folder)
    apply_data_root(cfg)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        rates = DataRates(cfg, workers=0, pictures=12, batch_size=4)
        counts = [len(batch['data_samples']) for batch in rates.loader]
    assert counts == [4, 4, 4]
    (paths, crops) = rates.shares[0]
    assert (len(paths), len(crops)) == (12, 2)


def test_the_loading_has_the_size_that_is_asked_for(rates):
    assert rates(TINY)[0]['img_size'] == 32
    assert rates(TINY, '--img-size', '48')[0]['img_size'] == 48
    # A ResNet has no size of its own.
    found, _ = rates('densecl_resnet18_demo', '--img-size', '96')
    assert found['img_size'] == 96


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['data'], 'nothing to measure: give --data DIR, --listing N or bo'),
        (['data', '--data', '/nope'], 'no folder /nope: give the folder'),
        (['methods', TINY, '--data', '/nope'], 'no folder /nope: give the fo'),
        (['compare', '--repeats', '0'], '--repeats is 0: give 1 or more'),
        (['methods', TINY, '--repeats', '-1'], '--repeats is -1: give 0 or m'),
        (['step', '--batch-size', '0'], '--batch-size is 0: give 1 or more'),
        (['step', '--img-size', '0'], '--img-size is 0: give 1 or more'),
        (['growth', '--batches', '4', '0'], '--batches is 0: give 1 or more'),
        (['data', '--listing', '-5'], '--listing is -5: give 1 or more'),
    ],
)
def test_mistakes_end_before_any_import(arguments, message, monkeypatch):
    # What would import it, fails.
    monkeypatch.setitem(sys.modules, 'torch', None)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code.startswith(f'error: {message}')


@pytest.mark.parametrize(
    'arguments',
    [
        ['step', '--contender', 'nonsense'],
        ['compare', '--precision', 'fp32', 'fp16'],
        ['growth', '--precision', 'fp16'],
    ],
)
def test_what_there_is_to_choose_from_is_named(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"invalid choice: '{arguments[-1]}' (choose from " in said


@pytest.mark.parametrize('command', ['step', 'compare', 'growth'])
@pytest.mark.parametrize(
    'config', ['mocov3_vit-tiny_demo', 'classification/vit-b_finetune_own']
)
def test_contenders_are_made_of_a_ccmim(command, config):
    with pytest.raises(SystemExit, match=rf'^error: .*{config}\.py is of no '):
        main([command, '--config', config, '--device', 'cpu'])


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('study/grid_tiny', 'reads no folder of pictures'),
        (TINY, '--img-size 48 or 56'),
    ],
)
def test_what_cannot_be_loaded_is_a_line(config, message, picture_folder):
    size = ['--img-size', '50'] * (config == TINY)
    command = ['data', '--config', config, '--data', str(picture_folder)]
    with pytest.raises(SystemExit, match=message) as ended:
        main([*command, *size, '--device', 'cpu'])
    assert '\n' not in ended.value.code
