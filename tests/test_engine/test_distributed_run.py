import logging
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from dist_helpers import run_ranks
from torch import nn

from ccmim_mm.apis import config_for_training
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.portable_runner import PortableRunner

pytestmark = pytest.mark.slow


def losses(rank, data, work_dir, launcher, batch_size):
    """Reconstruction losses of one epoch on this rank, and what it judged."""
    options = {
        'train_dataloader.batch_size': batch_size,
        'train_cfg.max_epochs': 1,
    }
    cfg = config_for_training(
        ROOT / 'tests/tiny_config.py', options, data, work_dir, launcher
    )
    cfg.experiment_name = launcher
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    hub = runner.message_hub
    return (
        hub.get_scalar('train/loss_rec').data[0],
        hub.runtime_info['frozen_features'],
    )


def test_two_ranks_start_with_the_loss_of_one_process(
    picture_folder, tmp_path
):
    """The same pictures, crops and masks, split over two ranks."""
    # Of no common ancestor: neither is the order of a set.
    results = run_ranks(
        losses,
        args=(picture_folder, tmp_path / 'two', 'pytorch', 4),
        start_method='spawn',
    )
    alone, judged = losses(0, picture_folder, tmp_path / 'one', 'none', 8)
    (first, judged_first), (second, judged_second) = results
    assert first[0] != second[0]
    assert np.isclose((first[0] + second[0]) / 2, alone[0], rtol=1e-5, atol=0)
    # The features are extracted on both ranks and judged as one.
    assert judged_first == judged_second
    assert judged_first[0] == judged[0]


def wrapped(rank, options):
    """How a module is wrapped on a machine without a GPU."""
    runner = SimpleNamespace(
        distributed=True,
        world_size=1,
        cfg=dict(find_unused_parameters=True),
        logger=logging.getLogger('wrap'),
    )
    ddp = PortableRunner.wrap_model(runner, options, nn.Linear(2, 2))
    return ddp.find_unused_parameters, ddp.broadcast_buffers


def test_options_of_the_wrapper_hold_on_cpus():
    options = dict(find_unused_parameters=False, broadcast_buffers=True)
    (found,) = run_ranks(wrapped, world=1, args=(options,))
    assert found == (False, True)
    (found,) = run_ranks(wrapped, world=1, args=(None,))
    assert found == (True, False)
    with pytest.raises(ValueError, match="set it to 'MMDistributedData"):
        wrapped(0, dict(type='MMSeparateDistributedDataParallel'))
