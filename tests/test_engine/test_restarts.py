"""torchrun's restarts: on several machines, and of what was to stop."""

import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from conftest import ROOT
from dist_helpers import run_ranks
from stopped_runs import Signal, run, tiny

from ccmim_mm.engine import PreemptionHook, ResilientRunner
from ccmim_mm.engine.hooks import preemption_hook
from ccmim_mm.engine.runner.portable_runner import OPEN_FILES
from ccmim_mm.engine.runner.work_dir import WorkDirLock, clear_marker
from ccmim_mm.torchrun import stops_in_peace
from ccmim_tools import launch, start_up

#: Seconds: starts on a busy machine; ranks that wait for dead ones take more.
PATIENCE = 400


def launcher(node, port, log):
    """One of two machines, both this one, with a rank each."""
    return subprocess.Popen(
        ['bash', 'tools/dist_run.sh', '../tests/killed_once.py', '1'],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'NNODES': '2',
            'NODE_RANK': str(node),
            'MASTER_ADDR': '127.0.0.1',
            'PORT': str(port),
            'PET_LOCAL_ADDR': '127.0.0.1',
            'MAX_RESTARTS': '3',
            'CUDA_VISIBLE_DEVICES': '',
        },
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_rank_that_dies_brings_back_those_of_two_machines(tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    started = []
    try:
        for node in (0, 1):
            with open(tmp_path / f'{node}.txt', 'wb') as log:
                started.append(launcher(node, port, log))
        codes = [process.wait(PATIENCE) for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                # Its rank gets the signal too.
                os.killpg(process.pid, signal.SIGTERM)
    said = ''.join(path.read_text() for path in tmp_path.glob('*.txt'))
    assert codes == [0, 0], said
    for rank in (0, 1):
        assert said.count(f'rank {rank} of 2 done') == 1


@pytest.mark.slow
def test_what_is_asked_to_stop_before_it_trains_is_not_restarted(tmp_path):
    """One of two ranks, which torchrun starts again, and all end."""
    tool = '../tests/asked_to_train.py'
    done = subprocess.run(
        ['bash', 'tools/dist_run.sh', tool, '2', '--work-dir', str(tmp_path)],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'MAX_RESTARTS': '3',
            'ASKED': '1',
            'CUDA_VISIBLE_DEVICES': '',
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 75, done.stderr
    (marker,) = tmp_path.iterdir()
    assert marker.read_text() == 'SIGUSR1 before the first iteration\n'


@pytest.mark.parametrize(
    ('number', 'marked'),
    [(signal.SIGUSR1, True), (signal.SIGINT, True), (signal.SIGTERM, False)],
)
def test_a_rank_tells_a_wish_to_stop_from_the_end_of_another(
    number, marked, tmp_path, monkeypatch
):
    """torchrun sends a SIGTERM to the ranks beside one that failed."""

    def leave(code):
        assert code == 75
        raise SystemExit

    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'x')
    monkeypatch.setattr(start_up.os, '_exit', leave)
    monkeypatch.setattr(start_up, '_LEAVING', threading.Lock())
    with pytest.raises(SystemExit):
        start_up._leave(tmp_path, number, None)
    assert (tmp_path / 'preempted').exists() == marked


def start(rank, data, work_dir, counts, resume):
    """What a rank starts from."""
    # Ranks that do not agree would wait for each other.
    signal.alarm(120)
    os.environ['TORCHELASTIC_RESTART_COUNT'] = counts[rank]
    cfg = tiny(data, work_dir, resume=resume)
    cfg.experiment_name = f'{counts}{resume}'
    runner = ResilientRunner.from_cfg(cfg)
    runner.check_input()
    if rank == 0:
        runner._lock.release()
    signal.alarm(0)
    return runner._resume, runner._load_from


@pytest.mark.slow
@pytest.mark.parametrize('resume', [None, 'auto'])
@pytest.mark.parametrize('counts', [('1', '0'), ('0', '1')])
def test_ranks_that_were_counted_differently_start_alike(
    counts, resume, picture_folder, tmp_path
):
    """Each machine's torchrun counts its own restarts alone."""
    run(tiny(picture_folder, tmp_path))
    found = run_ranks(start, args=(picture_folder, tmp_path, counts, resume))
    assert found == [(True, str(tmp_path / 'epoch_2.pth'))] * 2


def cleared(rank, data, folder):
    """What a start leaves of an earlier stop in a machine's own work dir."""
    signal.alarm(120)
    os.environ['LOCAL_RANK'] = '0'
    cfg = tiny(data, folder / str(rank))
    cfg.experiment_name = f'cleared{rank}'
    runner = ResilientRunner.from_cfg(cfg)
    runner.check_input()
    if rank == 0:
        runner._lock.release()
    signal.alarm(0)
    return (folder / str(rank) / 'preempted').exists()


@pytest.mark.slow
def test_each_machine_clears_its_own_work_dir(picture_folder, tmp_path):
    for rank in ('0', '1'):
        (tmp_path / rank).mkdir()
        (tmp_path / rank / 'preempted').touch()
    found = run_ranks(cleared, args=(picture_folder, tmp_path))
    assert found == [False, False]


def goes_on(rank, folder, count):
    """Whether a rank trains after a restart, by what lies in its work dir."""
    signal.alarm(120)
    os.environ['LOCAL_RANK'] = '0'
    os.environ['TORCHELASTIC_RESTART_COUNT'] = count
    hook = PreemptionHook()
    runner = SimpleNamespace(work_dir=folder / str(rank), cfg={})
    try:
        hook.before_train(runner)
    except SystemExit:
        return False
    finally:
        signal.alarm(0)
    hook.after_run(runner)
    hook.after_train(runner)
    return not (folder / str(rank) / 'preempted').exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('count', 'marked', 'expected'),
    [('1', 0, False), ('1', 1, True), ('0', 0, True)],
)
def test_the_first_rank_says_for_all_whether_it_was_to_stop(
    count, marked, expected, tmp_path
):
    for rank in (0, 1):
        (tmp_path / str(rank)).mkdir()
    (tmp_path / str(marked) / 'preempted').touch()
    found = run_ranks(goes_on, args=(tmp_path, count))
    assert found == [expected] * 2


def marked(rank, folder, fails):
    """Whether a machine is marked where the first rank cannot write."""
    signal.alarm(120)
    os.environ['LOCAL_RANK'] = '0'
    hook = PreemptionHook()
    here = rank == 0
    hook._save = refuse if here and fails == 'save' else lambda *_: 'saved'
    if here and fails == 'mark':
        preemption_hook._mark = refuse
    logger = logging.getLogger('marked')
    place = folder / str(rank)
    runner = SimpleNamespace(work_dir=place, cfg={}, logger=logger)
    hook.before_train(runner)
    hook.received = signal.SIGTERM
    with pytest.raises(SystemExit) as stopped:
        hook._stop(runner, 1)
    hook.after_run(runner)
    signal.alarm(0)
    return stopped.value.code, (place / 'preempted').exists()


def refuse(*_, **__):
    raise OSError(28, 'No space left on device')


@pytest.mark.slow
@pytest.mark.parametrize('fails', ['save', 'mark'])
def test_no_machine_is_marked_where_one_cannot_write(fails, tmp_path):
    for rank in ('0', '1'):
        (tmp_path / rank).mkdir()
    assert run_ranks(marked, args=(tmp_path, fails)) == [(75, False)] * 2


def test_a_marker_that_cannot_be_removed_ends_nothing(tmp_path, monkeypatch):
    (tmp_path / 'preempted').touch()
    monkeypatch.setattr('pathlib.Path.unlink', refuse)
    clear_marker(tmp_path)
    assert (tmp_path / 'preempted').exists()


@pytest.mark.parametrize(
    ('again', 'seen', 'code'),
    [('0', '.', 0), ('1', '.', 0), ('1', 'x', 75), ('0', 'x', None)],
)
def test_what_is_marked_does_not_train_whichever_machine_restarts(
    again, seen, code, tmp_path, monkeypatch
):
    """Only that of the machine whose rank has ended counts a restart."""

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', again)
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', '3')
    monkeypatch.setenv('CCMIM_LAUNCHED', str((tmp_path / seen).resolve()))
    monkeypatch.setattr(start_up.os, '_exit', leave)
    (tmp_path / 'preempted').touch()
    arguments = ['--work-dir', str(tmp_path)]
    if code is None:
        start_up.leave_when_asked(arguments, ())
        signal.set_wakeup_fd(-1)
        return
    with pytest.raises(SystemExit) as left:
        start_up.leave_when_asked(arguments, ())
    assert left.value.code == code


@pytest.mark.parametrize('in_use', [False, True])
def test_the_marker_of_a_run_that_goes_on_is_no_earlier_one(in_use, tmp_path):
    (tmp_path / 'preempted').touch()
    # Asks for the lock of another process, as a launcher does.
    forget = (
        'import sys; from pathlib import Path; from ccmim_tools import launch;'
        'launch._forget_earlier(Path(sys.argv[1]))'
    )
    lock = WorkDirLock(tmp_path, logging.getLogger('lock'))
    if not in_use:
        lock.release()
    subprocess.run(
        [sys.executable, '-c', forget, str(tmp_path)],
        check=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT / 'tools')},
    )
    lock.release()
    assert (tmp_path / 'preempted').exists() == in_use


@pytest.mark.parametrize(
    ('restarts', 'seen', 'code'),
    [('0', '.', 75), ('3', '.', 0), ('3', 'elsewhere', 75)],
)
def test_the_launcher_is_not_to_restart_what_was_to_stop(
    restarts, seen, code, picture_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv('CCMIM_LAUNCHED', str((tmp_path / seen).resolve()))
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', restarts)
    with pytest.raises(SystemExit) as stopped:
        run(tiny(picture_folder, tmp_path), Signal(1))
    assert stopped.value.code == code
    assert (tmp_path / 'preempted').exists()
    # As the tool has it before it trains.
    in_peace = [f(tmp_path) for f in (stops_in_peace, start_up.stops_in_peace)]
    assert in_peace == [code == 0] * 2


def test_what_was_to_stop_and_could_not_save_is_restarted(
    picture_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv('CCMIM_LAUNCHED', str(tmp_path.resolve()))
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', '3')
    monkeypatch.setattr(
        'ccmim_mm.engine.hooks.preemption_hook.save_between', refuse
    )
    with pytest.raises(SystemExit) as stopped:
        run(tiny(picture_folder, tmp_path), Signal(1))
    assert stopped.value.code == 75
    assert not (tmp_path / 'preempted').exists()


@pytest.mark.parametrize('stops', [False, True])
def test_the_launcher_tells_a_stop_from_an_earlier_one(
    stops, tmp_path, monkeypatch
):
    marker = tmp_path / 'preempted'
    marker.write_text('SIGTERM at iteration 1\n')

    def main():
        # The ranks leave it, not the launcher.
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        if stops:
            marker.write_text('SIGUSR1 at iteration 2\n')

    before = signal.getsignal(signal.SIGUSR1)

    monkeypatch.setattr('torch.distributed.run.main', main)
    monkeypatch.setattr(launch, 'leave_when_asked', lambda *_: None)
    monkeypatch.setenv('CCMIM_LAUNCHED', '')
    arguments = ['a.py', '--work-dir', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', ['x', 'tools/train.py', *arguments])
    if stops:
        with pytest.raises(SystemExit) as ended:
            launch.launch()
        assert ended.value.code == 75
    else:
        launch.launch()
    signal.signal(signal.SIGUSR1, before)


def test_a_run_may_open_as_many_files_as_there_may_be(
    picture_folder, tmp_path
):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        ResilientRunner.from_cfg(tiny(picture_folder, tmp_path))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert limits == (min(hard, OPEN_FILES), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
