"""Signals as they come: to groups, twice, in evaluations, with workers."""

import multiprocessing
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from mmengine.hooks import Hook
from run_helpers import bare, config
from stopped_runs import same
from torch.distributed.elastic.multiprocessing.api import SignalException

from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.hooks import preemption_hook
from ccmim_mm.engine.runner import loader_workers
from ccmim_tools import launch, start_up
from ccmim_tools.start_up import work_dir_of

pytestmark = pytest.mark.slow

FORK = multiprocessing.get_context('fork')


class Wait(Hook):
    """Say that a place is reached, and wait for the word to go on."""

    priority = 'VERY_HIGH'

    def __init__(self, connection, iteration, evaluating):
        self.connection = connection
        self.iteration, self.evaluating = iteration, evaluating

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration and not self.evaluating:
            self.meet()

    def before_batch_judged(self, runner):
        if runner.iter == self.iteration and self.evaluating:
            self.evaluating = False
            self.meet()

    def meet(self):
        children = multiprocessing.active_children()
        self.connection.send([child.pid for child in children])
        self.connection.recv()


def tiny(data, work_dir, name, evaluate=False, workers=2, **kwargs):
    options = {
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0,
        'custom_hooks': [
            *config(data, work_dir).custom_hooks,
            dict(type='EMAHook', momentum=0.5),
        ],
    }
    cfg = config(data, work_dir, options=options, **kwargs)
    cfg.experiment_name = f'signals{work_dir}{name}'
    if not evaluate:
        return bare(cfg)
    left_out = ('PanelHook', 'RunSummaryHook')
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type not in left_out]
    return cfg


def run(cfg, *hooks):
    runner = ResilientRunner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


def in_its_group(cfg, log, *hook):
    os.setpgid(0, 0)
    sys.stdout = sys.stderr = Path(log).open('w')  # noqa: SIM115
    run(cfg, Wait(*hook))


def stop(cfg, number, iteration=4, evaluating=False, times=1):
    """Start a process, signal its whole group, see it end; what it wrote."""
    here, there = FORK.Pipe()
    log = Path(f'{cfg.work_dir}.log')
    process = FORK.Process(
        target=in_its_group, args=(cfg, log, there, iteration, evaluating)
    )
    process.start()
    # Also if it ends before it says anything.
    there.close()
    children = here.recv()
    for _ in range(times):
        os.killpg(process.pid, number)
    here.send('go on')
    process.join()
    assert process.exitcode == 75
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    return log.read_text()


@pytest.fixture(scope='module')
def straight(picture_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp('straight')
    return run(tiny(picture_folder, folder, 'straight', True, workers=0))


def assert_ends_alike(work_dir, data, straight, evaluate):
    resumed = run(
        tiny(data, work_dir, 'again', evaluate, workers=0, resume='auto')
    )
    assert same(resumed.model.state_dict(), straight.model.state_dict())
    states = [r.optim_wrapper.state_dict() for r in (resumed, straight)]
    assert same(*states)
    (mine, theirs) = (
        r.message_hub.runtime_info.get('frozen_features')
        for r in (resumed, straight)
    )
    assert mine == (theirs if evaluate else None)


@pytest.mark.parametrize(
    ('number', 'times'),
    [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGUSR1, 3)],
)
def test_a_group_with_workers_saves_and_goes_on(
    number, times, picture_folder, tmp_path, straight
):
    cfg = tiny(picture_folder, tmp_path / 'run', 'stopped')
    said = stop(cfg, number, times=times)
    name = signal.Signals(number).name
    assert said.splitlines()[-1].endswith('from the newest checkpoint')
    assert f'{name}: saved preempted.pth at iteration 5' in said
    marker = (tmp_path / 'run/preempted').read_text()
    assert marker == f'{name} at iteration 5\n'
    assert_ends_alike(tmp_path / 'run', picture_folder, straight, False)


@pytest.mark.parametrize('iteration', [0, 3, 6])
def test_an_evaluation_is_broken_off_and_made_up_for(
    iteration, picture_folder, tmp_path, straight
):
    """Before the first step, in between and at the end; with an average."""
    cfg = tiny(picture_folder, tmp_path / 'run', 'stopped', True)
    cfg.default_hooks.checkpoint.interval = 10
    said = stop(cfg, signal.SIGTERM, iteration, evaluating=True)
    expected = {
        0: 'nothing was trained yet',
        3: 'saved preempted.pth at iteration 3',
        6: 'epoch_2.pth is there',
    }
    assert f'SIGTERM: {expected[iteration]}, exiting with 75' in said
    assert_ends_alike(tmp_path / 'run', picture_folder, straight, True)
    assert not list((tmp_path / 'run').glob('preempted*'))


def test_ctrl_c_again_interrupts_at_once_if_it_is_meant(
    picture_folder, tmp_path, monkeypatch
):
    class Press(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr('ccmim_mm.engine.hooks.preemption_hook.PATIENCE', -1)
    cfg = tiny(picture_folder, tmp_path, 'twice', workers=0)
    with pytest.raises(KeyboardInterrupt):
        run(cfg, Press())
    assert not list(tmp_path.glob('*.pth'))


def test_a_signal_after_the_last_step_changes_nothing(
    picture_folder, tmp_path
):
    """Neither how it ends nor that it is complete."""

    class Late(Hook):
        priority = 'LOWEST'

        def after_train(self, runner):
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    runner = run(tiny(picture_folder, tmp_path, 'late', workers=0), Late())
    assert runner.iter == 6
    assert not (tmp_path / 'preempted').exists()
    assert signal.getsignal(signal.SIGTERM) == handler


def test_what_was_to_stop_is_not_restarted(
    picture_folder, tmp_path, monkeypatch
):
    (tmp_path / 'preempted').write_text('SIGTERM at iteration 1\n')
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    with pytest.raises(SystemExit) as stopped:
        run(tiny(picture_folder, tmp_path, 'restarted', workers=0))
    assert stopped.value.code == 75


LISTENING = """
import os, signal, sys
sys.argv = ['train.py', *sys.argv[1:]]
from ccmim_tools import start_up
assert 'torch' not in sys.modules
start_up.leave_when_asked(sys.argv[1:])
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize(
    ('arguments', 'place'),
    [
        (['configs/a.py', '--work-dir', '{}/x'], 'x'),
        (['--work-dir={}/x', 'configs/a.py'], 'x'),
        (['a', '--work-dir', '{}/x', '--data', 'd', '--work-dir={}/y'], 'y'),
        (['a', '--work-dir={}/x', '--work-dir', '{}/y'], 'y'),
    ],
)
def test_before_it_trains_the_tool_leaves_at_once_and_marked(
    arguments, place, tmp_path
):
    arguments = [a.format(tmp_path) for a in arguments]
    done = subprocess.run(
        [sys.executable, '-c', LISTENING, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 75
    marker = (tmp_path / place / 'preempted').read_text()
    assert marker == 'SIGTERM before the first iteration\n'
    (line,) = done.stderr.splitlines()
    assert line.startswith('SIGTERM before the first iteration: exiting')
    assert not done.stdout


def test_the_default_work_dir_is_found_on_the_command_line():
    found = work_dir_of(['--device', 'cpu', 'configs/a_b.py'])
    assert found == Path('work_dirs/a_b')
    named = work_dir_of(['classification/vit-b_finetune_own', '--data', 'x'])
    assert named == Path('work_dirs/vit-b_finetune_own')
    assert work_dir_of(['--work-dir']) is None
    assert work_dir_of([]) is None


def test_the_tool_means_what_the_training_means():
    """It cannot import it, which takes seconds."""
    assert start_up.SIGNALS == loader_workers.SIGNALS
    assert start_up.EXIT_CODE == preemption_hook.EXIT_CODE


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_the_launcher_marks_trainings_alone(tool, tmp_path, monkeypatch):
    """A test that is stopped says nothing of the training's work dir."""

    def signalled():
        raise SignalException('got signal: 15', signal.SIGTERM)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('torch.distributed.run.main', signalled)
    monkeypatch.setattr(launch, 'leave_when_asked', lambda *_: None)
    arguments = ['launch.py', '--standalone', f'tools/{tool}', 'a.py']
    monkeypatch.setattr(sys, 'argv', arguments)
    monkeypatch.setenv('CCMIM_LAUNCHED', '')
    trains = tool == 'train.py'
    with pytest.raises(SystemExit if trains else SignalException):
        launch.launch()
    assert (tmp_path / 'work_dirs/a/preempted').exists() == trains


def test_workers_end_with_the_process_that_dies(picture_folder, tmp_path):
    """SIGKILL, or memory: no worker is left behind."""
    here, there = FORK.Pipe()
    cfg = tiny(picture_folder, tmp_path / 'run', 'killed')
    process = FORK.Process(
        target=in_its_group,
        args=(cfg, tmp_path / 'log', there, 4, False),
    )
    process.start()
    there.close()
    children = here.recv()
    assert len(children) == 2
    descriptors = [os.pidfd_open(child) for child in children]
    process.kill()
    process.join()
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor)
    left = set(descriptors)
    while left:
        ended = {d for d, _ in poll.poll(30_000)}
        assert ended
        left -= ended
        for descriptor in ended:
            poll.unregister(descriptor)
