"""torchrun's restarts: on several machines, and of what was to stop."""

import os
import resource
import signal
import socket
import subprocess
import sys

import pytest
from conftest import ROOT
from dist_helpers import run_ranks
from stopped_runs import Signal, run, tiny

from ccmim_mm.engine import ResilientRunner
from ccmim_mm.engine.runner.portable_runner import OPEN_FILES
from ccmim_tools import launch

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


def test_what_was_to_stop_and_could_not_save_is_restarted(
    picture_folder, tmp_path, monkeypatch
):
    def fail(*_):
        raise OSError('No space left on device')

    monkeypatch.setenv('CCMIM_LAUNCHED', str(tmp_path.resolve()))
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', '3')
    monkeypatch.setattr(
        'ccmim_mm.engine.hooks.preemption_hook.save_between', fail
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
        if stops:
            marker.unlink()
            marker.write_text('SIGUSR1 at iteration 2\n')

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
