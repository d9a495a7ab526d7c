"""What ranks wait for, and for how long."""

import pytest
import torch.distributed as torch_dist
from conftest import ROOT
from mmengine.config import Config
from mmengine.runner import runner as mmengine_runner

from ccmim_mm.engine.runner import portable_runner
from ccmim_mm.engine.runner.portable_runner import PortableRunner

CONFIGS = ROOT / 'configs'
#: All that train: no parts of others, and no grids of a study.
PATHS = [
    str(path.relative_to(CONFIGS))
    for path in sorted(CONFIGS.rglob('*.py'))
    if '_base_' not in path.parts and not path.stem.startswith('grid_')
]


class StartedError(Exception):
    """A process group would be there."""


def patience(cfg, gpus, monkeypatch):
    """The timeout that a config's process group is started with, in s."""
    found = []

    def start(*args, timeout, **kwargs):
        found.append(timeout)
        raise StartedError

    monkeypatch.setattr(torch_dist, 'init_process_group', start)
    # What the parent starts a group of GPUs with.
    monkeypatch.setattr(mmengine_runner, 'init_dist', start)
    cuda = portable_runner.torch.cuda
    monkeypatch.setattr(cuda, 'device_count', lambda: gpus)
    runner = PortableRunner.__new__(PortableRunner)
    runner._launcher, runner._distributed = 'pytorch', True
    with pytest.raises(StartedError):
        runner.setup_env(cfg.get('env_cfg', {}))
    # mmengine takes a number.
    return found[0] if gpus else found[0].total_seconds()


def test_ranks_wait_half_an_hour_whatever_the_config(monkeypatch):
    waits = {}
    for path in PATHS:
        cfg = Config.fromfile(CONFIGS / path)
        assert cfg.runner_type == 'ResilientRunner', path
        for gpus in (0, 1):
            waits[path, gpus] = patience(cfg, gpus, monkeypatch)
    assert len(PATHS) > 60
    assert {*waits.values()} == {1800}, waits


@pytest.mark.parametrize('gpus', [0, 1])
def test_a_config_may_say_how_long(gpus, monkeypatch):
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(timeout=7200))))
    assert patience(cfg, gpus, monkeypatch) == 7200
    assert patience(Config(), gpus, monkeypatch) == 1800
