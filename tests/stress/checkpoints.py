"""Hostile and broken checkpoints: none runs code, all are refused."""

from pathlib import Path

import torch
from common import make_pictures, row, train
from conftest import TINY, build
from hostile import (
    BROKEN,
    EXECUTING,
    STOOD_IN,
    config_that_runs,
    good_checkpoint,
)

from ccmim_mm.checkpoints import read_state_dict


def check(folder: Path) -> dict:
    """Give each to --resume and to --pretrained."""
    data = make_pictures(folder / 'pictures')
    good = good_checkpoint(build(TINY).state_dict())
    refused = executed = unclear = 0
    kinds = EXECUTING | BROKEN
    for number, (kind, write) in enumerate(kinds.items()):
        work_dir = folder / f'run{number}'
        work_dir.mkdir()
        path, trace = work_dir / 'epoch_1.pth', work_dir / 'executed'
        write(good, path, trace)
        (work_dir / 'last_checkpoint').write_text(str(path))
        for attempt in (_resume, _read):
            try:
                attempt(data, work_dir, path, kind)
            except (ValueError, FileNotFoundError) as error:
                refused += 1
                unclear += path.name not in str(error)
        executed += trace.exists()
    path, trace = folder / 'config.pth', folder / 'executed'
    train(data, folder / 'made', {'train_cfg.max_epochs': 1})
    made = torch.load(folder / 'made/epoch_1.pth', weights_only=True)
    config_that_runs(made, path, trace)
    train(data, folder / 'config', {}, str(path))
    executed += trace.exists()
    expected = 2 * len(kinds) - len(STOOD_IN)
    return row(
        'hostile and broken checkpoints',
        f'{len(kinds) + 1} kinds, {len(EXECUTING) + 1} of them with code',
        f'{executed} executed, {refused} of {expected} attempts refused '
        f'({len(STOOD_IN)} more read with stand-ins), {unclear} without '
        'naming the file',
        not executed and refused == expected and not unclear,
    )


def _resume(data: Path, work_dir: Path, path: Path, kind: str) -> None:
    train(data, work_dir, {'train_cfg.max_epochs': 2}, str(path))


def _read(data: Path, work_dir: Path, path: Path, kind: str) -> None:
    state = read_state_dict(path)
    if kind in ('other shapes', 'a tensor missing'):
        from ccmim_mm.checkpoints import load_pretrained

        try:
            load_pretrained(build(TINY), state)
        except ValueError as error:
            raise ValueError(f'{path.name}: {error}') from None
