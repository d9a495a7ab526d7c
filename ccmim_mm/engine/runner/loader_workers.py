"""Loaders' workers that leave stopping to the process that they serve."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch.utils.data import DataLoader

#: What a run is asked to stop by: by schedulers, people and time limits.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def shield(loader: DataLoader) -> DataLoader:
    """Have a loader's workers outlive the signals that stop a run.

    Ctrl-C, torchrun, systemd and Slurm signal whole groups of processes. A
    worker that dies of it takes the training down before that has saved.
    So workers take SIGTERM from the process that started them alone, as it
    comes when that ends, and the others not at all.

    Args:
        loader: The loader, changed in place; its workers are not started.
    """
    init = loader.worker_init_fn
    loader.worker_init_fn = partial(_init_worker, init=init)
    return loader


def batches_of(loader: DataLoader) -> Iterator[Any]:
    """A loader's batches; no signal hits a worker while it is started."""
    # What is blocked here is blocked in those that are started here.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _init_worker(
    worker_id: int, init: Callable[[int], None] | None = None
) -> None:
    # Elsewhere nobody says who sent a signal.
    if sys.platform == 'linux':
        for number in set(SIGNALS) - {signal.SIGTERM}:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(
            target=_end_with_parent, args=(os.getppid(),), daemon=True
        ).start()
    if init is not None:
        init(worker_id)


def _end_with_parent(parent: int) -> None:
    while True:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
        if sender == parent or os.getppid() != parent:
            # Anything else but 0 would be reported as a worker that failed.
            os._exit(0)
