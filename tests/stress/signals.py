"""Signals of every kind, to every target, at every moment."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import torch
from common import ROOT, make_class_folders, row
from ranks import processes_of

NAMES = ('SIGTERM', 'SIGINT', 'SIGUSR1')
MOMENTS = (
    *('imports', 'data', 'first evaluation', 'epoch', 'saving'),
    'last evaluation',
)
#: Of a process of its own: itself, its group, that twice, and a parent that
#: hands on what it gets, as srun does.
ALONE = ('process', 'group', 'twice', 'parent')
#: Of two ranks: their launcher, and all processes at once, as systemd does;
#: or as Slurm does, by a launcher that restarts them.
TREES = ('tree', 'restarted tree')
RANKS = ('launcher', *TREES)
#: Hands a signal on to its child, and waits for that.
PARENT = """
"$@" & child=$!
for name in TERM INT USR1; do trap "kill -$name $child" $name; done
while kill -0 $child 2>/dev/null; do wait $child; code=$?; done
exit $code
"""


def cases() -> list[tuple[str, str, str]]:
    """Signal, target, moment."""
    names = cycle(NAMES)
    found = [(next(names), t, m) for t in ALONE for m in MOMENTS]
    # torchrun itself takes no SIGUSR1.
    found += [
        (name, 'launcher', m)
        for name, m in zip(cycle(NAMES[:2]), MOMENTS, strict=False)
    ]
    found += [(next(names), 'tree', m) for m in MOMENTS]
    return found + [('SIGUSR1', 'restarted tree', m) for m in MOMENTS]


def start(
    data: Path, work_dir: Path, target: str, moment: str = ''
) -> subprocess.Popen:
    """Start a run as a user would, in a session of its own."""
    arguments = [
        'tests/stress/marks_config.py', '--data', str(data),
        '--work-dir', str(work_dir), '--device', 'cpu', '--resume',
    ]  # fmt: skip
    command = [sys.executable, 'tools/train.py', *arguments]
    if target in RANKS:
        command = ['bash', 'tools/dist_train.sh', arguments[0], '2']
        command += [*arguments[1:], '--cfg-options']
        command += ['train_dataloader.batch_size=4']
    elif target == 'parent':
        command = ['bash', '-c', PARENT, 'bash', *command]
    work_dir.mkdir(parents=True, exist_ok=True)
    with open(work_dir / 'output.txt', 'ab') as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                'PYTHON': sys.executable,
                'PYTHONPATH': f'{ROOT}:{ROOT / "tests/stress"}',
                'OMP_NUM_THREADS': '1',
                'STRESS_MOMENT': moment,
                'MAX_RESTARTS': '3' if target == 'restarted tree' else '0',
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def send(process: subprocess.Popen, name: str, target: str, work_dir: Path):
    """Send the signal."""
    number = signal.Signals[name]
    if target in TREES:
        for pid in processes_of(work_dir):
            os.kill(pid, number)
    elif target in ('group', 'twice'):
        os.killpg(process.pid, number)
        if target == 'twice':
            time.sleep(0.05)
            os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)


def problem(
    data: Path, folder: Path, case: tuple[str, str, str], expected: dict
) -> str:
    """What went wrong; empty if nothing did."""
    name, target, moment = case
    work_dir = folder / '_'.join(case).replace(' ', '_')
    process = start(data, work_dir, target, moment)
    if moment == 'imports':
        time.sleep(1.5)
    while moment != 'imports' and not (work_dir / 'here').exists():
        time.sleep(0.02)
        if process.poll() is not None:
            return f'{case}: ended with {process.returncode} by itself'
    send(process, name, target, work_dir)
    try:
        code = process.wait(120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        return f'{case}: hangs'
    said = (work_dir / 'output.txt').read_text()
    if code != 75 or 'Traceback' in said:
        return f'{case}: {code}, {said.splitlines()[-1]}'
    if not (work_dir / 'preempted').exists():
        return f'{case}: no marker'
    if left := processes_of(work_dir):
        return f'{case}: processes left: {left}'
    if said := _resumed(data, work_dir, target, expected):
        return f'{case}: resumed, {said}'
    return ''


def _resumed(data: Path, work_dir: Path, target: str, expected: dict) -> str:
    """What went wrong on going on; empty if nothing did."""
    if code := start(data, work_dir, target).wait(300):
        said = (work_dir / 'output.txt').read_text().splitlines()
        return f'ended with {code}: {said[-1]}'
    last = Path((work_dir / 'last_checkpoint').read_text())
    found = torch.load(last, weights_only=True)['state_dict']
    if last.name != 'epoch_4.pth':
        return f'ended at {last.name}'
    kept = [n for n in found if 'running_' not in n or target not in RANKS]
    if any(not torch.equal(found[n], expected[n]) for n in kept):
        return 'ended with other weights'
    return ''


def check(folder: Path) -> dict:
    """Signal, see it saved and marked, resume, compare; two at a time."""
    data = make_class_folders(folder / 'pictures')
    straight = {}
    for target in ('process', 'launcher'):
        start(data, folder / target, target).wait(300)
        last = (folder / target / 'last_checkpoint').read_text()
        straight[target] = torch.load(last, weights_only=True)['state_dict']

    def outcome(case: tuple[str, str, str]) -> str:
        ranks = 'launcher' if case[1] in RANKS else 'process'
        return problem(data, folder, case, straight[ranks])

    with ThreadPoolExecutor(2) as pool:
        problems = [p for p in pool.map(outcome, cases()) if p]
    return row(
        'SIGTERM, SIGINT, SIGUSR1',
        f'{len(cases())} stops: to {", ".join(ALONE + RANKS)}; at '
        f'{", ".join(MOMENTS)}',
        'all saved, marked, left with 75, no process left, same weights'
        if not problems
        else f'{len(problems)} went wrong: {"; ".join(problems)}',
        not problems,
    )
