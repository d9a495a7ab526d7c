"""Checkpoints are whole or absent, and the last good one stays."""

import logging
import os
import shutil

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from run_helpers import bare, config

from ccmim_mm import files
from ccmim_mm.checkpoints import TO_RESUME, load, read_state_dict
from ccmim_mm.checkpoints.weights_only import to_weights_only, unpack_histories
from ccmim_mm.engine import AtomicCheckpointHook, ResilientRunner
from ccmim_mm.engine.runner.work_dir import newest_checkpoint

pytestmark = pytest.mark.slow

LOGGER = logging.getLogger('test')


def run(cfg, name=''):
    cfg.experiment_name += name
    runner = ResilientRunner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture
def failing(monkeypatch):
    """A disk that is full for the checkpoints named."""
    full: set[str] = set()
    replace = os.replace

    def refuse(source, target):
        if os.path.basename(target) in full:
            raise OSError(28, 'No space left on device')
        replace(source, target)

    monkeypatch.setattr(files.os, 'replace', refuse)
    return full


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def test_a_run_saves_what_can_be_read_without_code(picture_folder, tmp_path):
    run(bare(config(picture_folder, tmp_path)))
    content = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)
    losses = content['message_hub']['log_scalars']['train/loss']
    assert losses['history'].shape == (6,)
    assert content['meta']['loop']['iters_per_epoch'] == 3
    assert content['meta']['heads']['backbone.layers.0.attn'] == 4
    assert content['meta']['heads']['neck.decoder_blocks.0.attn'] == 2
    bn = content['state_dict']._metadata['align_head.projector.bn0']
    assert bn == {'version': 2}
    assert not list(tmp_path.glob('.*.part'))


def test_training_survives_a_save_that_fails(
    failing, picture_folder, tmp_path
):
    failing.add('epoch_2.pth')
    cfg = bare(config(picture_folder, tmp_path, epochs=4))
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    runner = run(cfg)
    assert runner.epoch == 4
    # After the failure the first was kept, and pruned by the third.
    assert names(tmp_path) == ['epoch_4.pth']
    assert not list(tmp_path.glob('.*.part'))
    (log,) = tmp_path.glob('*/*.log')
    assert 'epoch_1.pth stays, and training goes on (1 of 3)' in (
        log.read_text()
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(rule='max'), "rule='max': use greater or less"),
        (dict(save_best=['accuracy', 'loss']), 'name one metric'),
    ],
)
def test_what_would_keep_another_than_the_best_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AtomicCheckpointHook(**options)


def test_the_last_good_one_stays_while_the_disk_is_full(
    failing, picture_folder, tmp_path
):
    failing.update(f'epoch_{i}.pth' for i in range(2, 9))
    cfg = bare(config(picture_folder, tmp_path, epochs=8))
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    with pytest.raises(OSError, match=r'3 times in a row.*No space.*--resume'):
        run(cfg)
    assert names(tmp_path) == ['epoch_1.pth']
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_1.pth')
    failing.clear()
    cfg = bare(config(picture_folder, tmp_path, epochs=8, resume='auto'))
    assert run(cfg, 'again').epoch == 8


def test_the_best_stays_until_a_better_one_is_there(
    failing, picture_folder, tmp_path
):
    cfg = config(picture_folder, tmp_path, epochs=2)
    cfg.default_hooks.checkpoint.update(
        save_best='linear_mean', rule='greater'
    )
    runner = ResilientRunner.from_cfg(cfg)
    (hook,) = (h for h in runner.hooks if hasattr(h, 'save_best'))
    runner.train_loop._epoch, runner.train_loop._iter = 1, 3
    hook.after_val_epoch(runner, dict(linear_mean=1.0))
    (first,) = names(tmp_path)
    runner.train_loop._epoch = 2
    failing.add('best_linear_mean_epoch_2.pth')
    hook.after_val_epoch(runner, dict(linear_mean=2.0))
    assert names(tmp_path) == [first]
    failing.clear()
    # Better than what was saved; the score that was not saved is forgotten.
    hook.after_val_epoch(runner, dict(linear_mean=1.5))
    assert names(tmp_path) == ['best_linear_mean_epoch_2.pth']
    hook.after_val_epoch(runner, dict(linear_mean=1.4))
    # That was not finite: nothing to compare, and nothing to stop for.
    hook.after_val_epoch(runner, dict(linear_cls=3.0))
    assert names(tmp_path) == ['best_linear_mean_epoch_2.pth']


def test_write_atomic_leaves_the_old_file(tmp_path, failing):
    path = tmp_path / 'x'
    files.write_atomic(b'old', path)
    failing.add('x')
    with pytest.raises(OSError, match='No space'):
        files.write_atomic(b'new', path)
    assert path.read_bytes() == b'old'
    assert [p.name for p in tmp_path.iterdir()] == ['x']
    (tmp_path / '.x.a_b1c2d3.part').touch()
    files.remove_parts(tmp_path, ['x'])
    assert [p.name for p in tmp_path.iterdir()] == ['x']


def test_resume_passes_over_what_is_broken(picture_folder, tmp_path):
    run(bare(config(picture_folder, tmp_path, epochs=3)))
    last = tmp_path / 'epoch_3.pth'
    os.truncate(last, last.stat().st_size // 2)
    # As after a crash in the writing of it.
    (tmp_path / 'last_checkpoint').write_text('')
    assert newest_checkpoint(tmp_path, LOGGER) == str(tmp_path / 'epoch_2.pth')
    cfg = bare(config(picture_folder, tmp_path, epochs=3, resume='auto'))
    runner = run(cfg, 'again')
    assert (runner.epoch, runner.iter) == (3, 9)
    assert newest_checkpoint(tmp_path, LOGGER) == str(last)


def test_a_work_dir_may_be_moved(picture_folder, tmp_path):
    run(bare(config(picture_folder, tmp_path / 'a', epochs=1)))
    shutil.move(tmp_path / 'a', tmp_path / 'b')
    found = newest_checkpoint(tmp_path / 'b', LOGGER)
    assert found == str(tmp_path / 'b/epoch_1.pth')
    assert newest_checkpoint(tmp_path / 'c', LOGGER) is None


def test_plain_state_there_and_back():
    buffer = HistoryBuffer()
    for i in range(5):
        buffer.update(i / 3, count=i + 1)
    plain = to_weights_only(
        dict(
            log_scalars={'a': buffer},
            numbers=(np.float32(2.5), np.int64(3), True, None),
            array=np.arange(3),
            odd=object(),
        )
    )
    assert plain['numbers'] == (2.5, 3, True, None)
    assert [type(n) for n in plain['numbers'][:3]] == [float, int, bool]
    assert plain['array'].tolist() == [0, 1, 2]
    # Put back as None it would take the place of a function.
    assert 'odd' not in plain
    unpack_histories(plain)
    again = plain['log_scalars']['a']
    for one, other in zip(again.data, buffer.data, strict=True):
        assert np.array_equal(one, other)
    again.update(9.0)
    assert again.current() == 9.0
    assert again.mean(2) == pytest.approx((4 / 3 + 9) / 6)


def test_modules_keep_their_versions(tmp_path):
    """What torch notes beside a state dict, for modules that change."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    state = model.state_dict()
    plain = to_weights_only(dict(state_dict=state))
    torch.save(plain, tmp_path / 'x.pth')
    content = torch.load(tmp_path / 'x.pth', weights_only=True)
    versions = content['state_dict']._metadata
    assert versions == state._metadata
    assert versions['1'] == {'version': 2}
    assert read_state_dict(tmp_path / 'x.pth')._metadata == versions


def test_a_module_is_told_its_version(tmp_path):
    model = Versioned()
    told = []
    model.seen = told
    state = model.state_dict()
    load(model, state, TO_RESUME)
    del state._metadata
    load(model, state, TO_RESUME)
    assert told == [7, None]


class Versioned(torch.nn.Module):
    _version = 7

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))

    def _load_from_state_dict(self, state, prefix, metadata, *args):
        self.seen.append(metadata.get('version'))
        super()._load_from_state_dict(state, prefix, metadata, *args)
