"""Hostile and broken checkpoints: none runs code, all are refused."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import ROOT, make_pictures, row, train
from hostile import (
    BROKEN,
    EXECUTING,
    STOOD_IN,
    config_that_runs,
)
from hostile_insides import SAFETENSORS, STRANGE
from hostile_runs import NAMING, UNFIT

#: Of these --pretrained and the test take the weights, which are good, and
#: look at nothing else; tried on one of each.
GOOD_WEIGHTS = {*UNFIT, *NAMING}
TRIED = {'moments of nan', 'checkpoints, absolute'}
FILES = EXECUTING | BROKEN | STRANGE | SAFETENSORS | UNFIT | NAMING
RUNS = 'a config that runs'
OPTIONS = {'train_cfg.max_epochs': 2}


def check(folder: Path) -> dict:
    """Give each to --resume, to --pretrained and to the test."""
    data = folder / 'pictures'
    for part in ('train/a', 'train/b', 'val/a', 'val/b'):
        make_pictures(data / part, 12)
    good = _trained(data, folder / 'made')
    outside = folder / 'outside'
    outside.mkdir()
    for name in ('epoch_9.pth', 'best_x_epoch_1.pth', 'planted.txt'):
        (outside / name).write_text(f'somebody else has {name}')
    kinds = FILES | {RUNS: config_that_runs}
    refused = executed = unclear = attempts = touched = taken = 0
    slowest = 0.0
    for number, (kind, write) in enumerate(kinds.items()):
        work_dir = folder / f'run{number}'
        work_dir.mkdir()
        suffix = '.safetensors' if kind in SAFETENSORS else '.pth'
        path, trace = work_dir / f'epoch_1{suffix}', folder / 'executed'
        write(good, path, trace)
        (work_dir / 'last_checkpoint').write_text(str(path))
        others = [p for p in folder.iterdir() if p.name != work_dir.name]
        before = _digests(others)
        for name, attempt in _ways(kind, data, work_dir, path).items():
            attempts += 1
            began = time.monotonic()
            try:
                attempt()
            except (ValueError, FileNotFoundError) as error:
                slowest = max(slowest, time.monotonic() - began)
                refused += 1
                line = str(error)
                unclear += path.name not in line or '\n' in line
            else:
                taken += 1
                if not _may_be_taken(kind, name):
                    print(f'TAKEN: {kind} by {name}')
                    taken += len(kinds)
        executed += trace.exists()
        trace.unlink(missing_ok=True)
        after = _digests(p for p in folder.iterdir() if p != work_dir)
        if changed := before.items() ^ after.items():
            print(f'TOUCHED by {kind}: {sorted(changed)}')
            touched += len(changed)
    with_code = len(EXECUTING) + 1
    return row(
        'hostile and broken checkpoints',
        f'{len(kinds)} kinds, {with_code} of them with code, {len(NAMING)} '
        'naming files elsewhere; --resume, --pretrained, test',
        f'{executed} executed, {touched} files outside the work dir touched, '
        f'{refused} of {attempts} attempts refused (the other {taken} have '
        f'good weights and nothing else was used), {unclear} without naming '
        f'the file in one line, the slowest in {slowest:.1f} s with all that '
        'a start takes',
        not (executed or touched or unclear)
        and taken < len(kinds)
        and refused + taken == attempts,
    )


def _may_be_taken(kind: str, way: str) -> bool:
    """Whether a file of this kind has something good for this way."""
    if way == 'resume':
        return kind in NAMING or kind == RUNS
    return kind in GOOD_WEIGHTS or kind in STOOD_IN or kind == RUNS


def _ways(
    kind: str, data: Path, work_dir: Path, path: Path
) -> dict[str, Callable[[], None]]:
    fresh, one = work_dir / 'fresh', {'train_cfg.max_epochs': 1}
    ways: dict[str, Callable[[], None]] = dict(
        resume=lambda: train(data, work_dir, OPTIONS, str(path)),
        pretrained=lambda: train(data, fresh, one, None, path),
        test=lambda: _test(data, work_dir / 'test', path),
    )
    if kind in GOOD_WEIGHTS - TRIED:
        return dict(resume=ways['resume'])
    return ways


def _test(data: Path, work_dir: Path, path: Path) -> None:
    """What ``tools/test.py`` does."""
    from mmengine.registry import RUNNERS

    from ccmim_mm.apis import config_for_testing

    cfg = config_for_testing(
        ROOT / 'tests/tiny_config.py', str(path), {}, data, work_dir
    )
    cfg.experiment_name = f'{work_dir}test'
    RUNNERS.build(cfg).test()


def _trained(data: Path, work_dir: Path) -> dict:
    """A run's checkpoint, and what only less fortunate runs have in it."""
    train(data, work_dir, {'train_cfg.max_epochs': 1})
    saved = torch.load(work_dir / 'epoch_1.pth', weights_only=True)
    hub = saved['message_hub']
    told = dict(skipped_steps=0, best_score=1.0, best_checkpoint='best.pth')
    hub['runtime_info'] |= told
    hub['resumed_keys'] |= dict.fromkeys(told, True)
    return saved


def _digests(places) -> dict[str, str]:
    """Every file below some places, with what is in it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for place in places
        for path in (place, *place.rglob('*'))
        if path.is_file()
    }
