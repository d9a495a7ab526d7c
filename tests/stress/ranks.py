"""One of two ranks killed under torchrun: brought back, and finished."""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from common import ROOT, make_pictures, row

EPOCHS = 8


def launch(data: Path, work_dir: Path, restarts: int) -> subprocess.Popen:
    """Train in two processes, as a user would."""
    work_dir.mkdir(parents=True)
    with open(work_dir / 'output.txt', 'wb') as log:
        return subprocess.Popen(
            [
                'bash', 'tools/dist_train.sh', 'tests/tiny_config.py', '2',
                '--data', str(data), '--work-dir', str(work_dir),
                '--device', 'cpu', '--cfg-options',
                f'train_cfg.max_epochs={EPOCHS}',
                'train_dataloader.batch_size=4',
                'default_hooks.logger.interval=1',
                'default_hooks.checkpoint.by_epoch=False',
            ],
            cwd=ROOT,
            env={
                **os.environ,
                'PYTHON': sys.executable,
                'MAX_RESTARTS': str(restarts),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


def processes_of(work_dir: Path, ranks_alone: bool = False) -> list[int]:
    """Ids of the processes of a run: all, or its ranks."""
    found = []
    for entry in Path('/proc').iterdir():
        try:
            text = (entry / 'cmdline').read_bytes().decode().split('\0')
        except (OSError, UnicodeDecodeError):
            continue
        # The launcher's own line has the tool's arguments too.
        launcher = any(part.endswith('tools/launch.py') for part in text)
        if (
            str(work_dir) in text
            and any(part.endswith('tools/train.py') for part in text)
            and not (ranks_alone and launcher)
        ):
            found.append(int(entry.name))
    return sorted(found)


def check(folder: Path) -> dict:
    """Kill a rank when the first checkpoint is there."""
    data = make_pictures(folder / 'pictures')
    straight = launch(data, folder / 'straight', 0)
    straight.wait(300)
    work_dir = folder / 'killed'
    process = launch(data, work_dir, 3)
    while not (work_dir / 'last_checkpoint').exists():
        time.sleep(0.05)
        if process.poll() is not None:
            break
    victims = processes_of(work_dir, ranks_alone=True)
    os.kill(victims[-1], 9)
    code = process.wait(300)
    states = []
    for name in ('straight', 'killed'):
        last = (folder / name / 'last_checkpoint').read_text().strip()
        states.append(torch.load(last, weights_only=True)['state_dict'])
    # Rank 0's own BatchNorm statistics are in the file; others' start anew.
    same = all(torch.equal(states[0][n], states[1][n]) for n in states[0])
    return row(
        '1 of 2 ranks killed under torchrun',
        '1 kill, MAX_RESTARTS=3',
        f'exit code {code}, weights {"the same" if same else "different"}',
        code == 0 and same,
    )
