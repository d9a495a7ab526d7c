"""Two runs started on one work dir at once: one trains, one is refused."""

from pathlib import Path

import torch
from common import make_pictures, row, train_apart


def check(folder: Path, races: int = 20) -> dict:
    """Start twice, with two seeds, and see whose weights are there."""
    data = make_pictures(folder / 'pictures')
    expected = {}
    for seed in (1, 2):
        alone = folder / f'alone{seed}'
        train_apart(data, alone, {'randomness.seed': seed}).join()
        expected[seed] = torch.load(alone / 'epoch_2.pth', weights_only=True)
    problems = []
    for number in range(races):
        work_dir = folder / f'{number}'
        pair = {
            seed: train_apart(
                data, work_dir, {'randomness.seed': seed}, f'_{seed}', None
            )
            for seed in (1, 2)
        }
        for process in pair.values():
            process.join()
        codes = {seed: process.exitcode for seed, process in pair.items()}
        won = [seed for seed, code in codes.items() if code == 0]
        if len(won) != 1:
            problems.append(f'{number}: exit codes {codes}')
            continue
        (lost,) = {1, 2} - set(won)
        said = (work_dir / f'output_{lost}.txt').read_text()
        found = torch.load(work_dir / 'epoch_2.pth', weights_only=True)
        same = all(
            torch.equal(value, expected[won[0]]['state_dict'][name])
            for name, value in found['state_dict'].items()
        )
        refused = 'is in use by' in said or 'already holds a run' in said
        if not (same and refused):
            problems.append(f'{number}: same {same}, refused {refused}')
    return row(
        'two runs started on one work dir at once',
        f'{races} races',
        'one finished as if alone, the other was refused'
        if not problems
        else '; '.join(problems),
        not problems,
    )
