"""A disk that is full while saving: the last checkpoint stays."""

import subprocess
from pathlib import Path

from common import make_pictures, row, train_apart

from ccmim_mm.checkpoints.safe_reading import check_archive


def check(folder: Path) -> dict:
    """Train on a tmpfs with room for two checkpoints, fill it, free it."""
    data = make_pictures(folder / 'pictures')
    train_apart(data, folder / 'size', {'train_cfg.max_epochs': 1}).join()
    size = (folder / 'size/epoch_1.pth').stat().st_size
    disk = folder / 'disk'
    disk.mkdir()
    # Logs and figures take room as well.
    total = 3 * size + (1 << 20)
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', f'size={total}', 'tmpfs', str(disk)],
        capture_output=True,
    )
    if mounted.returncode:
        return row(
            'full disk',
            'mounting a tmpfs',
            'not allowed here: not tried',
            True,
        )
    try:
        return _fill(data, disk, size)
    finally:
        subprocess.run(['umount', str(disk)], check=True)


def _fill(data: Path, disk: Path, size: int) -> dict:
    run = disk / 'run'
    keep = {'default_hooks.checkpoint.max_keep_ckpts': 1}
    train_apart(data, run, keep | {'train_cfg.max_epochs': 1}).join()
    room = subprocess.check_output(['df', '-B1', '--output=avail', str(disk)])
    filler = disk / 'filler'
    filler.write_bytes(bytes(int(room.split()[1]) - size // 2))
    more = {'train_cfg.max_epochs': 3}
    train_apart(data, run, keep | more).join()
    check_archive(run / 'epoch_1.pth')
    left = sorted(path.name for path in run.glob('*.pth'))
    filler.unlink()
    train_apart(data, run, keep | {'train_cfg.max_epochs': 5}).join()
    after = sorted(path.name for path in run.glob('*.pth'))
    return row(
        'full disk (tmpfs) while saving',
        '2 saves without room, then freed',
        f'training went on, {left} whole; later {after}',
        left == ['epoch_1.pth'] and after == ['epoch_5.pth'],
    )
