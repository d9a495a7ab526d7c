"""Whether shards have labels, which switches the evaluation on."""

import signal

import pytest
from conftest import ROOT
from hostile_tars import shard
from odd_pictures import encoded
from PIL import Image
from remote_servers import serve

from ccmim_mm.apis import config_for_training
from ccmim_mm.datasets.data_root import apply_data_root
from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.datasets.listing import list_pictures
from ccmim_mm.datasets.packing import pack
from ccmim_tools import cli

pytestmark = pytest.mark.usefixtures('remote_settings')

PNG = encoded('PNG')
#: Pictures a shard.
COUNT = 100
KEYS = [f'{i:04d}' for i in range(COUNT)]
PICTURES = {f'{key}.png': PNG for key in KEYS}
LABELS = {f'{key}.cls': f'{int(key) % 2}' for key in KEYS}


def in_turn(*suffixes):
    """Members key by key, in the order of the suffixes."""
    content = {'png': PNG, 'txt': 'a caption', 'cls': '1'}
    return {f'{key}.{s}': content[s] for key in KEYS for s in suffixes}


ORDERS = {
    'picture, label': in_turn('png', 'cls'),
    'picture, caption, label': in_turn('png', 'txt', 'cls'),
    'label, picture, caption': in_turn('cls', 'png', 'txt'),
    'all pictures, all labels': PICTURES | LABELS,
    'JSON': PICTURES | {f'{key}.json': '{"label": 3}' for key in KEYS},
    'folders': {f'{key[-1]}/{key}.png': PNG for key in KEYS},
}
UNLABELLED = {
    'none': PICTURES,
    'all but the last': PICTURES | dict([*LABELS.items()][:-1]),
    'captions': PICTURES | {f'{k}.json': '{"text": "x"}' for k in KEYS},
    'one in no folder': ORDERS['folders'] | {'z.png': PNG},
    'no pictures': LABELS,
    'numbers that stand for none': PICTURES | dict.fromkeys(LABELS, '-1'),
}


def both(members, root):
    """The layout of a set with such shards, on a disk and at a URL."""
    for split in ('train', 'val'):
        shard(root / split / 'a.tar', members)
    (root / 'all.txt').write_text('train/a.tar\nval/a.tar\n')
    with serve(root) as server:
        return find_layout(root), find_layout(f'{server.url}/all.txt')


@pytest.mark.parametrize('order', ORDERS)
def test_labels_are_found_wherever_they_lie(order, tmp_path):
    local, remote = both(ORDERS[order], tmp_path / 'data')
    assert local.val == tmp_path / 'data' / 'val'
    assert remote.val.endswith('/all.txt#val')


@pytest.mark.parametrize('kind', UNLABELLED)
def test_a_picture_without_a_label_is_seen(kind, tmp_path):
    for layout in both(UNLABELLED[kind], tmp_path / 'data'):
        assert layout.val is None
        assert 'train has pictures without one' in layout.reason


def test_a_shard_that_is_replaced_is_looked_at_anew(tmp_path):
    for members in (PICTURES, PICTURES | LABELS, PICTURES):
        for split in ('train', 'val'):
            shard(tmp_path / split / 'a.tar', members)
        assert (find_layout(tmp_path).val is None) == (members is PICTURES)


def test_a_packed_set_is_judged_as_its_folder(tmp_path):
    for split in ('train', 'val'):
        for name in 'ab':
            folder = tmp_path / 'data' / split / name
            folder.mkdir(parents=True)
            for i in range(COUNT // 2):
                Image.new('RGB', (8, 8), (i, 0, 0)).save(folder / f'{i}.png')
    pack(tmp_path / 'data', tmp_path / 'packed', 10**9)
    path = ROOT / 'configs' / 'ccmim_vit-tiny_demo.py'
    for root in ('data', 'packed'):
        cfg = config_for_training(path, data=tmp_path / root)
        apply_data_root(cfg)
        assert cfg.val_cfg.type == 'FrozenFeatureLoop'
        assert cfg.val_dataloader is not None


@pytest.mark.parametrize(
    ('train', 'val'), [('train', 'valid'), ('training', 'validation')]
)
def test_splits_of_other_names_are_packed_and_what_is_beside_named(
    train, val, tmp_path, monkeypatch, capsys
):
    data, out = tmp_path / 'data', tmp_path / 'out'
    for split in (train, val, 'test', '.hidden'):
        (data / split / 'cat').mkdir(parents=True)
        (data / split / 'cat/1.png').write_bytes(PNG)
    for name in ('a.png', 'notes.txt'):
        (data / name).write_bytes(PNG)
    monkeypatch.setattr('sys.argv', ['ccmim', 'pack', str(data), str(out)])
    before = signal.getsignal(signal.SIGTERM)
    cli.main()
    assert signal.getsignal(signal.SIGTERM) == before
    said = capsys.readouterr().out
    assert 'left out 2 beside train and val: test/, a.png\n' in said
    assert {path.name for path in out.iterdir()} == {'train', 'val'}
    assert find_layout(out) == (out / 'train', out / 'val', '')
    assert list_pictures(out / 'val').classes()[0] == ['cat']
