"""What a card says of the data of a run, and of the places of its files."""

import copy

import pytest
import torch
from conftest import TINY, build
from mmengine.config import Config

from ccmim_mm.encoders import pixels_of, read_source
from ccmim_mm.export.card import card
from ccmim_mm.export.facts import facts_of


@pytest.fixture
def read(tmp_path):
    """Read a checkpoint whose config has these values."""

    def of_config(**values):
        state = build(copy.deepcopy(TINY)).state_dict()
        path = tmp_path / 'tiny.pth'
        torch.save(dict(state_dict=state, meta=dict(heads={})), path)
        config = tmp_path / 'kept.py'
        Config(dict(model=copy.deepcopy(TINY), **values)).dump(config)
        return read_source(path, config)

    return of_config


@pytest.mark.parametrize(
    ('data_root', 'name'),
    [
        ('/somewhere/birds', 'birds'),
        ('/somewhere/birds/.', 'birds'),
        ('birds', 'birds'),
        ('https://host/shards/birds', 'birds'),
        ('https://host/shards/birds?key=a/b', 'birds'),
        ('.', None),
        ('..', None),
        ('birds/..', None),
        (None, None),
    ],
)
def test_a_folder_is_named_by_the_run_alone(
    data_root, name, read, tmp_path, monkeypatch
):
    """Whatever the folder is that the export is started in."""
    monkeypatch.chdir(tmp_path)
    # Which a run elsewhere has not seen.
    (tmp_path / 'other').mkdir()
    (tmp_path / 'birds').symlink_to('other')
    facts = facts_of(read(data_root=data_root), ('backbone.',), None)
    assert facts.data == name


def test_paths_come_as_their_last_names(read):
    """Relative ones, and URLs, whose queries may be keys, too."""
    source = read(
        data_root='secret/birds',
        work_dir='../secret/run/',
        load_from='https://secret.org/a/start.pth?secret=1',
        pretrained='secret/before.pth',
        cache_dir='~/secret/cache',
        train_dataloader=dict(
            dataset=dict(
                type='CocoDataset',
                ann_file='secret/train.json',
                data_prefix=dict(img='secret/pictures/'),
                pipeline=[dict(type='Load', bucket='s3://secret/bands')],
            )
        ),
        custom_imports=dict(imports=['os.path']),
        note='and/or',
        default_hooks=dict(checkpoint=dict(save_best='coco/bbox_mAP')),
    )
    facts = facts_of(source, ('backbone.',), None)
    text = card(source, facts, pixels_of(source), 'ccmim_mm', '')
    assert 'secret' not in text
    for name in (
        *('birds', 'run', 'start.pth', 'before.pth', 'cache', 'train.json'),
        *('pictures', 'bands', 'CocoDataset', 'os.path', 'and/or'),
        'coco/bbox_mAP',
    ):
        assert f"'{name}'" in text
