"""Hooks that act at epochs' ends, where iterations are counted."""

import shutil

import pytest
from mmengine.hooks import Hook
from run_helpers import bare, config, history

from ccmim_mm.engine import ResilientRunner


def by_iterations(data, work_dir, *hooks, **train_cfg):
    """A run of four iterations that prints every other one."""
    options = {'train_dataloader.batch_size': 4}
    cfg = bare(config(data, work_dir, options=options))
    kind = 'ResumableIterTrainLoop'
    cfg.train_cfg = dict(type=kind, max_iters=4, **train_cfg)
    cfg.train_dataloader.sampler = dict(type='SeededInfiniteSampler')
    cfg.default_hooks.logger.interval = 2
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=4)
    cfg.param_scheduler = None
    cfg.custom_hooks = [*cfg.custom_hooks, *hooks]
    return ResilientRunner.from_cfg(cfg)


class Counts(Hook):
    """What the log has of unreadable pictures, before each line."""

    priority = 'BELOW_NORMAL'

    def __init__(self):
        self.counts = []

    def after_train_iter(self, runner, batch_idx, **kwargs):
        if runner.iter % 2:
            self.counts.append(history(runner, 'unreadable')[-1])


def test_unreadable_pictures_stand_in_every_line(picture_folder, tmp_path):
    data = tmp_path / 'data'
    shutil.copytree(picture_folder / 'train', data)
    for path in (data / 'red').iterdir():
        path.write_bytes(b'broken')
    runner, seen = by_iterations(data, tmp_path / 'run'), Counts()
    runner.register_hook(seen)
    runner.train()
    first, last = seen.counts
    assert 0 < first < last


def test_an_evaluation_is_due_by_the_interval_of_its_place(
    picture_folder, tmp_path
):
    runner = by_iterations(
        picture_folder, tmp_path, val_interval=9, dynamic_intervals=[(3, 1)]
    )
    for done, due in ((1, False), (2, True), (3, True)):
        runner.train_loop._iter = done
        assert runner.train_loop.due is due


@pytest.mark.parametrize('interval', [1, 10, None])
def test_a_page_is_written_at_the_end(picture_folder, tmp_path, interval):
    panel = config(picture_folder, tmp_path / 'other').custom_hooks[-1]
    hook = dict(
        type='LookHook',
        dataset=panel.dataset,
        interval=interval,
        num_pictures=2,
        num_neighbours=5,
    )
    by_iterations(picture_folder, tmp_path / 'run', hook).train()
    (page,) = (tmp_path / 'run/look').iterdir()
    assert page.name == 'epoch_0001.html'
