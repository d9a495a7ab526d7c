"""Running a grid: one process per GPU, or one on the CPU."""

import copy
import fcntl
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import torch

from ccmim_mm.config import apply_options, read_config
from ccmim_mm.datasets.layouts import find_layout
from ccmim_mm.engine.hooks.preemption_hook import EXIT_CODE

from ..config_names import find_config
from .records import DONE, is_done, write_record
from .run import Run, config_digest
from .transfer import figures_at

#: How a run ends that was asked to stop.
STOPPED = (EXIT_CODE, -signal.SIGTERM, -signal.SIGINT)


def execute(
    runs: Collection[Run],
    root: Path,
    data_root: Path,
    jobs: int | None = None,
) -> list[Run]:
    """Run what has not been run.

    Args:
        runs: The runs; each waits for the one that it starts or learns from.
        root: Work dir of the study.
        data_root: Folder with one folder per data set.
        jobs: Runs at a time; None is one per GPU, or one on a CPU, whose
            cores are shared out.

    Returns:
        Those that are not done: failed, or not started after a stop.

    Raises:
        FileNotFoundError: If a config or a data set's folder is missing.
        KeyboardInterrupt: After Ctrl-C or SIGTERM, when the running ones
            have saved.
        ValueError: If a data set has no labels; see also
            :func:`records.is_done`.
    """
    todo = _to_do(runs, root, data_root)
    check_inputs(todo, data_root)
    gpus = torch.cuda.device_count()
    jobs = jobs or max(1, gpus)
    slots: queue.Queue[int] = queue.Queue()
    for slot in range(jobs):
        slots.put(slot)
    stopping = threading.Event()
    processes: set[subprocess.Popen] = set()
    # Those before it are started before it, so nobody waits for ever.
    ended = {run.work_dir(root): threading.Event() for run in todo}

    def attempt(run: Run) -> None:
        if run.before is not None:
            before = ended.get(run.before.work_dir(root))
            if before is not None:
                before.wait()
        slot = slots.get()
        try:
            if not stopping.is_set():
                environment = child_environment(slot, jobs, gpus)
                if _run(
                    run, root, data_root, environment, processes, stopping
                ):
                    # One was asked to stop, so all were.
                    stopping.set()
        finally:
            slots.put(slot)
            ended[run.work_dir(root)].set()

    def terminate(number: int, frame) -> None:
        # Ctrl-C reaches the children by itself, this does not.
        stopping.set()
        for process in [*processes]:
            process.terminate()
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                _await([pool.submit(attempt, run) for run in todo])
            except KeyboardInterrupt:
                stopping.set()
                raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    return [run for run in todo if not is_done(run, root, data_root)]


def _to_do(runs: Collection[Run], root: Path, data_root: Path) -> list[Run]:
    """Those that are not done, each after what it starts or learns from."""
    todo = [run for run in runs if not is_done(run, root, data_root)]
    for run in todo:
        if run.before is not None:
            # Of other data it is refused now, and not when it is needed.
            is_done(run.before, root, data_root)
    return sorted(todo, key=lambda run: run.depth)


def _await(futures: list[Future]) -> None:
    """Wait for all, and raise what one has raised.

    Woken now and then: a signal may reach another thread, and its handler
    waits for this one.
    """
    while wait(futures, timeout=1).not_done:
        pass
    for future in futures:
        future.result()


def check_inputs(runs: Collection[Run], data_root: Path) -> None:
    """Refuse what would fail, or give no result, hours later.

    Raises:
        FileNotFoundError: If a config or a data set's folder is missing.
        ValueError: If a data set has no labels to judge by, or an override
            means nothing.
    """
    names = {run.config for run in runs}
    configs = {name: read_config(find_config(name)) for name in names}
    # Values differ; whether anything reads them does not.
    asked = {(run.config, *run.options): run.options for run in runs}
    for (config, *_), options in asked.items():
        apply_options(copy.deepcopy(configs[config]), options)
    folders = {run.pictures(data_root): run for run in runs}
    for folder, run in sorted(folders.items()):
        if not folder.is_dir():
            raise FileNotFoundError(
                f'no folder {folder}: docs/study/README.md says where to get '
                'it, --data-root where it lies'
            )
        layout = find_layout(folder)
        # Of other tasks the config knows what it judges by.
        if run.data is None and layout.val is None:
            raise ValueError(
                f'{layout.reason}: a study judges by labels, so needs '
                f'{folder}/train/CLASS/... and {folder}/val/CLASS/...'
            )


def child_environment(slot: int, jobs: int, gpus: int) -> dict[str, str]:
    """A GPU for each slot, or a share of the cores.

    Args:
        slot: In ``[0, jobs)``.
        jobs: Runs at a time.
        gpus: GPUs that there are; those of a CUDA_VISIBLE_DEVICES are kept.
    """
    env = {**os.environ}
    # Where this package lies, if it is not installed.
    places = [str(Path(__file__).parents[2]), env.get('PYTHONPATH', '')]
    env['PYTHONPATH'] = os.pathsep.join(filter(None, places))
    if gpus:
        visible = env.get('CUDA_VISIBLE_DEVICES')
        names = visible.split(',') if visible else [*map(str, range(gpus))]
        env['CUDA_VISIBLE_DEVICES'] = names[slot % gpus]
    else:
        cores = len(os.sched_getaffinity(0))
        env.setdefault('OMP_NUM_THREADS', str(max(1, cores // jobs)))
    return env


def _run(
    run: Run,
    root: Path,
    data_root: Path,
    environment: dict[str, str],
    processes: set[subprocess.Popen],
    stopping: threading.Event,
) -> bool:
    """Run one in its own process; whether it was asked to stop."""
    before = run.before
    if before is not None and not is_done(before, root, data_root):
        what = 'pre-training' if run.pretraining else 'teacher'
        print(f'not run: {run.name}: its {what} is not done', flush=True)
        return False
    work_dir = run.work_dir(root)
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / 'console.log').open('a') as log:
        try:
            # The child inherits the file and with it the lock.
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'not run: {run.name}: it is running already', flush=True)
            return False
        # What the run reads is the file as it is now.
        config_digest.cache_clear()
        write_record(run, root, data_root)
        process = subprocess.Popen(
            run.command(root, data_root),
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        processes.add(process)
        if stopping.is_set():
            # Asked while it was being started.
            process.terminate()
        code = process.wait()
        processes.discard(process)
    if code:
        what = 'stopped' if code in STOPPED else 'failed'
        print(f'{what}: {run.name}: see {log.name}', flush=True)
    elif run.stage != 'pretrain' and not figures_at(work_dir):
        # mmengine's loop does not make up for an evaluation cut short.
        print(
            f'failed: {run.name}: its last evaluation is missing: remove '
            f'{work_dir} to run it again',
            flush=True,
        )
    else:
        (work_dir / DONE).touch()
        print(f'done: {run.name}', flush=True)
    return code in STOPPED
