"""SIGKILL at random moments, saving included: nothing lost, same weights."""

import random
import time
from pathlib import Path

import torch
from common import make_pictures, row, train_apart

from ccmim_mm.checkpoints.safe_reading import check_archive

# A checkpoint every iteration: much of the time is spent in saving.
OPTIONS = {
    'train_cfg.max_epochs': 12,
    'default_hooks.checkpoint.by_epoch': False,
    'default_hooks.checkpoint.interval': 1,
    'default_hooks.checkpoint.max_keep_ckpts': 2,
}


def weights(work_dir: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint's."""
    path = Path((work_dir / 'last_checkpoint').read_text().strip())
    return torch.load(path, weights_only=True)['state_dict']


def _saving(work_dir: Path) -> bool:
    return any(work_dir.glob('.*.part'))


def check(folder: Path, kills: int = 60) -> dict:
    """Kill and go on, run after run, and compare with the undisturbed one."""
    data = make_pictures(folder / 'pictures')
    began = time.monotonic()
    train_apart(data, folder / 'straight', OPTIONS).join()
    length = time.monotonic() - began
    expected = weights(folder / 'straight')
    rng = random.Random(0)
    done = runs = saving = wrong = 0
    while done < kills:
        work_dir = folder / str(runs)
        runs += 1
        while True:
            process = train_apart(data, work_dir, OPTIONS)
            process.join(rng.uniform(0.1, 1.2) * length)
            # Every other one waits for a file that is being written.
            while process.is_alive() and done % 2 and not _saving(work_dir):
                pass
            if process.exitcode is not None:
                break
            process.kill()
            process.join()
            done += 1
            saving += _saving(work_dir)
            for path in work_dir.glob('*.pth'):
                check_archive(path)
        found = weights(work_dir) if process.exitcode == 0 else {}
        wrong += not all(
            name in found and torch.equal(found[name], value)
            for name, value in expected.items()
        )
    return row(
        'SIGKILL at random moments',
        f'{done} kills in {runs} runs, {saving} of them while saving',
        f'{wrong} runs lost or different, 0 broken checkpoints',
        wrong == 0,
    )
