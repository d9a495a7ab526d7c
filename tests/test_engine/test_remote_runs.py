"""Runs on shards in S3 and over HTTP: the bits of those on a disk."""

import os

import fsspec
import pytest
import torch
from remote_servers import bucket, serve
from resume_cases import NEVER
from stopped_runs import same
from test_engine.test_tar_runs import run, weights

from ccmim_mm.datasets import PictureTars
from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.datasets.packing import pack
from ccmim_mm.datasets.remote import store
from ccmim_mm.datasets.remote.cache import FOLDER, SIZE
from ccmim_mm.datasets.remote.store import ShardError

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def shards(picture_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp('shards') / 'data'
    pack(picture_folder, out, 20_000, seed=3)
    return out


@pytest.fixture(scope='module')
def s3(shards):
    with pytest.MonkeyPatch.context() as patch, bucket(shards, patch) as url:
        yield url


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, shards):
    """For three shards; there are more."""
    sizes = [path.stat().st_size for path in shards.rglob('*.tar')]
    assert len(sizes) > 3
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    monkeypatch.setenv(FOLDER, str(tmp_path / 'cache'))
    monkeypatch.setenv(SIZE, str(3 * max(sizes)))
    monkeypatch.setattr(store, 'WAITS', (0, 0, 0))


@pytest.fixture(scope='module')
def of_disk(shards, tmp_path_factory):
    return weights(run(shards, tmp_path_factory.mktemp('disk')))


def test_a_run_of_s3_stops_and_goes_on_to_the_bit_over_http(
    s3, shards, of_disk, tmp_path
):
    assert run(s3, tmp_path / 'run', 1, (4, False)) is None
    count = len(list(shards.glob('train/*.tar')))
    with serve(shards) as server:
        url = f'{server.url}/train/shard-{{00000..{count - 1:05d}}}.tar'
        resumed = run(url, tmp_path / 'run', 0, NEVER, resume='auto')
        assert server.fetched.total() > count
    assert resumed.iter == 6 and same(weights(resumed), of_disk)
    for path in tmp_path.rglob('*'):
        if path.is_file():
            assert b'secret-of-the-test' not in path.read_bytes(), path


def test_cache_settings_of_a_config(s3, tmp_path):
    options = dict(cache_dir=str(tmp_path / 'own'), cache_size='9KB')
    with pytest.raises(ValueError, match=r'the 9000 of the cache .*/own'):
        run(s3, tmp_path / 'run', **options)
    assert os.environ[SIZE] == '9KB'
    assert not list((tmp_path / 'run').rglob('*.pth'))


def test_layouts_and_labels(s3, picture_folder):
    layout = find_layout(s3)
    assert layout.train == f'{s3}/train' and layout.val == f'{s3}/val'
    data = PictureTars(data_root=s3, split='val', with_label=True)
    assert data.metainfo['classes'] == ['blue', 'red'] and len(data) == 10
    assert torch.tensor([i['gt_label'] for i in data]).bincount().tolist() == [
        5,
        5,
    ]


def test_what_s3_refuses(s3, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r'no shards in s3://none/x'):
        PictureTars(data_root='s3://none/x')
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.delenv(name)
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere')
    monkeypatch.setenv('AWS_CONFIG_FILE', '/nowhere')
    fsspec.filesystem('s3').clear_instance_cache()
    with pytest.raises(ShardError, match='credentials'):
        PictureTars(data_root=f'{s3}/train')
    fsspec.filesystem('s3').clear_instance_cache()
