"""What keeps a run safe, downstream as in pre-training."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend, LocalVisBackend
from run_helpers import bare, config, history
from stopped_runs import same, stop
from test_engine.test_numbers import Spoil

from ccmim_mm.apis import config_for_testing, config_for_training
from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.hooks.deferred_runtime_info_hook import cut_histories

pytestmark = pytest.mark.slow

CONFIG = 'configs/classification/vit-tiny_finetune_demo.py'
OPTIONS = {
    'model.backbone.arch': dict(TINY['backbone']['arch'], _delete_=True),
    'model.head.in_channels': 32,
    'train_cfg.max_epochs': 2,
    'train_cfg.val_interval': 2,
    'train_dataloader.batch_size': 8,
    'train_dataloader.num_workers': 0,
    'val_dataloader.num_workers': 0,
    'default_hooks.logger.interval': 1,
    'default_hooks.checkpoint.interval': 1,
}


def classifier(data, work_dir, name='', options=(), **kwargs):
    """Mixup, CutMix, RandAugment, erasing and drop path: all is random."""
    cfg = config_for_training(
        ROOT / CONFIG, {**OPTIONS, **dict(options)}, data, work_dir, **kwargs
    )
    cfg.experiment_name = f'guards{work_dir}{name}'
    return cfg


def run(cfg, *hooks):
    runner = ResilientRunner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


def test_a_fine_tuning_stops_on_what_is_not_finite(picture_folder, tmp_path):
    cfg = classifier(picture_folder, tmp_path)
    assert cfg.custom_hooks[2].type == 'SkippedStepsHook'
    cfg.custom_hooks[2].max_skipped = 2
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(FloatingPointError, match='2 steps in a row'):
        run(cfg, Spoil(range(1, 9), stack=False))
    # In a notebook Ctrl-C works again.
    assert signal.getsignal(signal.SIGINT) == handler
    saved = torch.load(tmp_path / 'last_good.pth', weights_only=True)
    assert all(torch.isfinite(v).all() for v in saved['state_dict'].values())
    lines = (tmp_path / 'not_finite_rank0.txt').read_text().splitlines()
    assert sum(line.endswith('.png') for line in lines) == 16


def test_finite_losses_with_broken_gradients_leave_a_trace(
    picture_folder, tmp_path
):
    class Break(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            weight = runner.model.head.fc.weight
            if runner.iter == 1:
                self.handle = weight.register_hook(lambda g: g * np.nan)
            elif runner.iter == 2:
                self.handle.remove()

    runner = run(classifier(picture_folder, tmp_path), Break())
    hub = runner.message_hub
    assert hub.get_scalar('train/skipped_steps').current() == 1
    assert len(history(runner, 'loss')) == 6
    lines = (tmp_path / 'not_finite_rank0.txt').read_text().splitlines()
    assert lines[0] == '# loss finite'
    assert sum(line.endswith('.png') for line in lines) == 8


def test_a_fine_tuning_resumes_within_an_epoch(picture_folder, tmp_path):
    straight = run(classifier(picture_folder, tmp_path / 'straight'))
    stop(classifier(picture_folder, tmp_path / 'b', 'stopped'), iteration=1)
    resumed = run(
        classifier(picture_folder, tmp_path / 'b', 'again', resume='auto')
    )
    assert resumed.iter == straight.iter == 6
    assert same(resumed.model.state_dict(), straight.model.state_dict())
    states = [r.optim_wrapper.state_dict() for r in (resumed, straight)]
    assert same(*states)
    for name in ('loss', 'lr'):
        assert np.array_equal(history(resumed, name), history(straight, name))


def test_unreadable_pictures_are_counted_downstream(picture_folder, tmp_path):
    data = tmp_path / 'data'
    shutil.copytree(picture_folder, data)
    (data / 'train/red/3.png').write_bytes(b'broken')
    runner = run(classifier(data, tmp_path / 'run'))
    assert runner.message_hub.get_scalar('train/unreadable').current() == 2
    (line,) = (tmp_path / 'run/bad_images.txt').read_text().splitlines()
    assert 'red/3.png: UnidentifiedImage' in line


def test_the_best_of_another_run_is_left_alone(picture_folder, tmp_path):
    """Nor any other file that a checkpoint names."""
    run(classifier(picture_folder, tmp_path / 'a'))
    (best,) = (tmp_path / 'a').glob('best_*.pth')
    path = tmp_path / 'a/epoch_1.pth'
    content = torch.load(path, weights_only=True)
    precious = tmp_path / 'precious.pth'
    precious.write_text('mine')
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b/final.bin').write_text('mine too')
    content['message_hub']['runtime_info'].update(
        best_score=-1.0,
        best_checkpoint=str(precious),
        checkpoints=[str(precious), str(best), 'final.bin', '../a/x.pth'],
    )
    torch.save(content, path)
    cfg = classifier(
        picture_folder,
        tmp_path / 'b',
        options={
            'default_hooks.checkpoint.max_keep_ckpts': 1,
            'train_cfg.val_interval': 1,
        },
        resume=str(path),
    )
    run(cfg)
    assert precious.read_text() == 'mine'
    assert (tmp_path / 'b/final.bin').read_text() == 'mine too'
    assert best.exists()
    assert len(list((tmp_path / 'b').glob('best_*.pth'))) == 1


#: The tool, in a process that is sent a signal in its fifth iteration.
SIGNALLED = """
import os, runpy, signal, sys
from ccmim_mm.engine import ThroughputHook

def signalled(self, runner, batch_idx, data_batch=None):
    if runner.iter == 4:
        os.kill(os.getpid(), signal.SIGTERM)

ThroughputHook.before_train_iter = signalled
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_sigterm_to_the_tool_exits_with_75(picture_folder, tmp_path):
    """As a user's scheduler does it, to a fine-tuning; then it goes on."""
    command = [
        'tools/train.py', CONFIG, '--data', str(picture_folder),
        '--work-dir', str(tmp_path), '--device', 'cpu', '--resume',
        '--cfg-options', 'train_cfg.max_epochs=3', 'train_cfg.val_interval=3',
        'train_dataloader.batch_size=8', 'train_dataloader.num_workers=0',
    ]  # fmt: skip
    first = subprocess.run(
        [sys.executable, '-c', SIGNALLED, *command], cwd=ROOT
    )
    assert first.returncode == 75
    marker = (tmp_path / 'preempted').read_text()
    assert marker == 'SIGTERM at iteration 5\n'
    assert subprocess.run([sys.executable, *command], cwd=ROOT).returncode == 0
    last = torch.load(tmp_path / 'epoch_3.pth', weights_only=True)
    assert last['meta']['iter'] == 9
    assert not list(tmp_path.glob('preempted*'))


def test_histories_are_cut_once_they_are_long():
    hub = MessageHub('cut')
    hub.log_scalars['train/loss'] = HistoryBuffer(range(30), [1] * 30)
    hub.log_scalars['train/lr'] = HistoryBuffer([1.0], [1])
    cut_histories(hub, 10)
    buffer = hub.log_scalars['train/loss']
    assert buffer.data[0].tolist() == list(range(20, 30))
    for i in range(5):
        hub.update_scalar('train/loss', 100 + i)
    assert len(buffer.data[0]) == 10
    assert buffer.current() == 104
    assert hub.log_scalars['train/lr'].data[0].tolist() == [1.0]


def test_a_restart_of_what_was_stopped_stops_at_once(
    picture_folder, tmp_path, monkeypatch
):
    cfg = classifier(picture_folder, tmp_path)
    cfg.custom_hooks[2].max_skipped = 1
    with pytest.raises(FloatingPointError, match='1 steps in a row'):
        run(cfg, Spoil(range(4, 9), stack=False))
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    again = classifier(picture_folder, tmp_path, 'again')
    with pytest.raises(FloatingPointError, match=r'last_good\.pth'):
        run(again)


def test_an_evaluation_that_was_cut_off_is_made_up(picture_folder, tmp_path):
    """Killed while it is judged at the end; and the best is known again."""

    class Kill(Hook):
        def before_val(self, runner):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(classifier(picture_folder, tmp_path), Kill())
    assert not list(tmp_path.glob('best_*'))
    runner = run(classifier(picture_folder, tmp_path, 'again', resume='auto'))
    assert runner.iter == 6
    scores = runner.message_hub.get_scalar('val/accuracy/top1').data[0]
    assert len(scores) == 1
    assert len(list(tmp_path.glob('best_*'))) == 1
    # Done once: a further resume makes it up from the same checkpoint.
    saved = torch.load(next(tmp_path.glob('best_*')), weights_only=True)
    assert same(saved['state_dict'], runner.model.state_dict())


def test_a_run_resumed_from_elsewhere_spares_the_work_dir(
    picture_folder, tmp_path
):
    run(classifier(picture_folder, tmp_path / 'a'))
    run(classifier(picture_folder, tmp_path / 'b'))
    before = {p.name: p.read_bytes() for p in (tmp_path / 'b').glob('*.pth')}
    resume = str(tmp_path / 'a/epoch_1.pth')
    cfg = classifier(picture_folder, tmp_path / 'b', 'again', resume=resume)
    with pytest.raises(FileExistsError, match='already holds a run'):
        run(cfg)
    after = {p.name: p.read_bytes() for p in (tmp_path / 'b').glob('*.pth')}
    assert after == before


def test_the_best_is_nothing_to_go_on_from(picture_folder, tmp_path):
    run(classifier(picture_folder, tmp_path))
    (best,) = tmp_path.glob('best_*')
    cfg = classifier(picture_folder, tmp_path, 'again', resume=str(best))
    with pytest.raises(ValueError, match=r'has no optimizer .*--pretrained'):
        run(cfg)


def test_an_average_of_weights_is_judged_by_what_was_loaded(
    picture_folder, tmp_path
):
    ema = dict(type='EMAHook', momentum=0.5)
    cfg = classifier(picture_folder, tmp_path / 'a')
    cfg.custom_hooks = [*cfg.custom_hooks, ema]
    run(cfg)
    cfg = config_for_testing(
        ROOT / CONFIG,
        str(tmp_path / 'a/epoch_2.pth'),
        OPTIONS,
        picture_folder,
        tmp_path / 'test',
    )
    cfg.custom_hooks = [*cfg.custom_hooks, ema]
    seen = {}

    class Look(Hook):
        priority = 'LOWEST'

        def before_test_epoch(self, runner):
            seen.update(
                {k: v.clone() for k, v in runner.model.state_dict().items()}
            )

    cfg.experiment_name = f'ema{tmp_path}'
    runner = ResilientRunner.from_cfg(cfg)
    runner.register_hook(Look())
    runner.test()
    saved = torch.load(tmp_path / 'a/epoch_2.pth', weights_only=True)
    assert same(seen, dict(saved['state_dict']))


def test_accumulated_gradients_are_never_cut_by_an_epochs_end(
    picture_folder, tmp_path
):
    """24 pictures, 7 a batch, 2 accumulated: one step an epoch."""
    options = {
        'optim_wrapper.accumulative_counts': 2,
        'train_dataloader.batch_size': 7,
    }
    runner = run(classifier(picture_folder, tmp_path, options=options))
    assert len(runner.train_dataloader) == 2
    assert runner.iter == 4


def test_the_dumped_config_serves_other_data(picture_folder, tmp_path):
    run(classifier(picture_folder, tmp_path / 'a'))
    dumped = tmp_path / 'a/vit-tiny_finetune_demo.py'
    cfg = config_for_training(dumped, {}, '/else/where', tmp_path / 'b')
    with pytest.raises(FileNotFoundError, match='/else/where'):
        ResilientRunner.from_cfg(cfg).check_input()


def test_unreadable_pictures_are_named_where_they_are_judged(
    picture_folder, tmp_path
):
    data = tmp_path / 'data'
    shutil.copytree(picture_folder, data)
    (data / 'val/red/3.png').write_bytes(b'broken')
    run(classifier(data, tmp_path / 'run'))
    (line,) = (tmp_path / 'run/bad_images.txt').read_text().splitlines()
    assert 'val/red/3.png: UnidentifiedImage' in line
    (log,) = (tmp_path / 'run').glob('*/*.log')
    count = len([*(data / 'val').rglob('*.png')])
    said = f'{count - 1} of {count} pictures judged: the others could not'
    assert said in log.read_text()


def test_a_full_disk_ends_no_training(picture_folder, tmp_path, monkeypatch):
    """What a run notes of itself is left out, and said once a file."""

    def full(*args):
        raise OSError(28, 'No space left on device')

    data, work_dir = tmp_path / 'data', tmp_path / 'run'
    shutil.copytree(picture_folder, data)
    (data / 'train/red/3.png').write_bytes(b'broken')
    work_dir.mkdir()
    for name in ('bad_images.txt', 'not_finite_rank0.txt'):
        (work_dir / name).symlink_to('/dev/full')
    monkeypatch.setattr(LocalVisBackend, '_dump', full)
    cfg = bare(config(data, work_dir, options={'train_cfg.max_epochs': 2}))
    runner = run(cfg, Spoil({1, 4}))
    assert runner.epoch == 2
    assert runner.message_hub.get_scalar('train/unreadable').current() == 2
    (log,) = work_dir.glob('*/*.log')
    said = re.findall(r'(\S+) lacks what .*No space left', log.read_text())
    assert sorted(Path(path).name for path in said) == [
        *('bad_images.txt', 'not_finite_rank0.txt', 'vis_data')
    ]


@VISBACKENDS.register_module(force=True)
class FullBackend(BaseVisBackend):
    """One that can write nothing, as TensorBoard's on a full disk."""

    def full(self, *args, **kwargs):
        self.calls = getattr(self, 'calls', 0) + 1
        raise OSError(28, 'No space left on device')

    add_config = add_graph = add_image = add_scalar = add_scalars = full
    close = experiment = _init_env = full


def test_no_backend_of_the_visualizer_ends_a_training(
    picture_folder, tmp_path
):
    backends = [dict(type='FullBackend'), dict(type='LocalVisBackend')]
    cfg = bare(config(picture_folder, tmp_path, epochs=1))
    cfg.visualizer = dict(type='Visualizer', vis_backends=backends)
    runner = run(cfg)
    assert runner.iter == 3
    # The config, lines of the log, the end.
    assert runner.visualizer.get_backend('FullBackend').calls >= 3
    # What another writes is there.
    (scalars,) = tmp_path.glob('*/vis_data/scalars.json')
    assert 'loss_rec' in scalars.read_text()
