"""Running a grid: one process per GPU, or one on the CPU."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from ..engine.files import write_whole
from ..engine.hooks.preemption_hook import EXIT_CODE
from .grid import Run

#: Written when a run has ended well.
DONE = 'done.json'


def is_done(run: Run, root: Path) -> bool:
    """Whether a run has ended well, with the options it has now.

    Raises:
        ValueError: If it has with others.
    """
    marker = run.work_dir(root) / DONE
    if not marker.is_file():
        return False
    before = json.loads(marker.read_text())['options']
    if before != json.loads(json.dumps(run.options)):
        raise ValueError(
            f'{marker.parent} was run with other options than the grid has '
            'now: move it away to run it again, or take another --work-dir'
        )
    return True


def execute(
    runs: Iterable[Run], root: Path, data_root: Path, jobs: int | None
) -> list[Run]:
    """Run what has not been run.

    Args:
        runs: The runs; fine-tuning waits for all pre-training.
        root: Work dir of the study.
        data_root: Folder with one folder per data set.
        jobs: Runs at a time; None is one per GPU, or one on a CPU, whose
            cores are shared out.

    Returns:
        Those that failed.

    Raises:
        FileNotFoundError: If there is no folder of a data set.
        ValueError: See :func:`is_done`.
    """
    todo = [run for run in runs if not is_done(run, root)]
    for name in sorted({run.dataset for run in todo}):
        if not (data_root / name).is_dir():
            raise FileNotFoundError(
                f'no folder {data_root / name}: docs/study/README.md says '
                'where to get it, --data-root where it lies'
            )
    gpus = torch.cuda.device_count()
    jobs = jobs or max(1, gpus)
    slots: queue.Queue[int] = queue.Queue()
    for slot in range(jobs):
        slots.put(slot)
    stopping = threading.Event()
    failed = []

    def attempt(run: Run) -> None:
        slot = slots.get()
        try:
            if stopping.is_set():
                return
            code = _run(run, root, data_root, _environment(slot, jobs, gpus))
            if code:
                failed.append(run)
            if code == EXIT_CODE:
                # One was asked to stop, so all were.
                stopping.set()
        finally:
            slots.put(slot)

    for stage in ('pretrain', 'finetune'):
        with ThreadPoolExecutor(jobs) as pool:
            try:
                list(pool.map(attempt, [r for r in todo if r.stage == stage]))
            except KeyboardInterrupt:
                stopping.set()
                raise
    return failed


def _environment(slot: int, jobs: int, gpus: int) -> dict[str, str]:
    """A GPU for each slot, or a share of the cores."""
    env = {**os.environ}
    if gpus:
        visible = env.get('CUDA_VISIBLE_DEVICES')
        names = visible.split(',') if visible else [*map(str, range(gpus))]
        env['CUDA_VISIBLE_DEVICES'] = names[slot % gpus]
    else:
        env['OMP_NUM_THREADS'] = str(max(1, (os.cpu_count() or 1) // jobs))
    return env


def _run(
    run: Run, root: Path, data_root: Path, environment: dict[str, str]
) -> int:
    """Run one, in its own process; what it exits with."""
    work_dir = run.work_dir(root)
    name = f'{run.stage} {run.dataset} {run.method} seed {run.seed}'
    start_from = run.work_dir(root, 'pretrain') / DONE
    if run.needs_pretraining and not start_from.is_file():
        print(f'not run: {name}: its pre-training is not done', flush=True)
        return 1
    work_dir.mkdir(parents=True, exist_ok=True)
    command = run.command(root, data_root)
    start = time.monotonic()
    with (work_dir / 'console.log').open('a') as log:
        code = subprocess.run(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    seconds = round(time.monotonic() - start)
    if code:
        what = 'stopped' if code == EXIT_CODE else 'failed'
        print(f'{what}: {name}: see {log.name}', flush=True)
        return code
    done = dict(options=run.options, command=command, seconds=seconds)
    text = json.dumps(done, indent=2) + '\n'
    write_whole(text.encode(), work_dir / DONE)
    print(f'{seconds:6d} s  {name}', flush=True)
    return 0
