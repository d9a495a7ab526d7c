"""Fifty random runs, stopped at random places: the same to the bit."""

import time
from pathlib import Path

from common import make_pictures, row


def check(folder: Path, cases: int = 50) -> dict:
    """Run each straight, and with its stops."""
    from resume_cases import difference, draw

    data = make_pictures(folder / 'pictures')
    began, cpu = time.monotonic(), time.process_time()
    problems = []
    for number in range(cases):
        if found := difference(draw(number), data, folder / f'{number}'):
            problems.append(f'{number}: {found}')
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    return row(
        'random runs, stopped or killed and resumed',
        f'{cases} cases of batch, accumulation, workers, epochs, drop path, '
        'intervals, 1 to 3 stops each',
        f'all equal to the straight run to the bit, {seconds:.0f} s '
        f'({cpu:.0f} of this process)'
        if not problems
        else '; '.join(problems),
        not problems,
    )
