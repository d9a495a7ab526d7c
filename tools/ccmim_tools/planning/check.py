"""Planned peaks beside those of real steps, on the device at hand."""

import copy
import gc
import json
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.profiler import profile

import ccmim_mm  # noqa: F401 - registers the modules

from ..benchmarks.methods import MethodStep
from ..benchmarks.report import table
from .fake_step import FakeStep
from .ways import ddp

#: Optimizer steps that are measured; the optimizer's state comes with the
#: first.
STEPS = 3


class Measured(NamedTuple):
    """Of real steps of one process.

    Attributes:
        device: Its name.
        bf16: Whether the forward pass ran under autocast.
        peak: MiB that torch's allocator had out at most; None if there was
            too little.
        reserved: MiB that the allocator took from a GPU at most; None on a
            CPU.
    """

    device: str
    bf16: bool
    peak: float | None
    reserved: float | None


def check(
    cfg: Config, batches: Sequence[int], gpus: str | None
) -> Iterator[str]:
    """A line on the device, then a table.

    Args:
        cfg: A pre-training config, whose steps one process takes as it says.
        batches: Pictures of a pass.
        gpus: ``CUDA_VISIBLE_DEVICES`` of the steps; None is unset.

    Raises:
        ValueError: See :class:`FakeStep` and :meth:`FakeStep.trace`.
    """
    steps: dict[bool, FakeStep] = {}
    rows: list[dict[str, Any]] = []
    for batch in batches:
        real = measure(cfg, batch, gpus)
        if real.bf16 not in steps:
            precision = 'bf16' if real.bf16 else 'fp32'
            own = copy.deepcopy(cfg)
            if 'Finite' in own.optim_wrapper.get('type', ''):
                own.optim_wrapper.precision = precision
            steps[real.bf16] = FakeStep(own)
            yield f'One process on {real.device}, {precision}, {STEPS} steps.'
        planned = ddp(1).peak(steps[real.bf16].trace(batch)) / 2**20
        row: dict[str, Any] = {
            'batch': batch,
            'planned, MiB': planned,
            'measured, MiB': real.peak or 'ended, too little memory',
            'planned / measured': real.peak and planned / real.peak,
        }
        if real.reserved is not None:
            row['reserved, MiB'] = real.reserved
        rows.append(row)
    yield table(rows)


def measure(cfg: Config, batch: int, gpus: str | None) -> Measured:
    """Real steps in a fresh process.

    Args:
        cfg: See :func:`check`.
        batch: See there.
        gpus: See there.

    Raises:
        ValueError: If the method cannot learn from such a batch.
    """
    # This process has hidden the GPUs from itself.
    with mock.patch.dict(os.environ):
        os.environ.pop('CUDA_VISIBLE_DEVICES', None)
        if gpus is not None:
            os.environ['CUDA_VISIBLE_DEVICES'] = gpus
        spawn = multiprocessing.get_context('spawn')
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            try:
                return pool.submit(real_steps, cfg, batch).result()
            except BrokenProcessPool:
                # As the kernel ends one that asks for too much.
                bf16 = cfg.optim_wrapper.get('precision') == 'bf16'
                return Measured('a device unknown', bf16, None, None)


def real_steps(cfg: Config, batch: int) -> Measured:
    """The peak of some steps, of a process that has done nothing before.

    Args:
        cfg: See :func:`check`.
        batch: See there.

    Raises:
        ValueError: If the method cannot learn from such a batch.
    """
    logging.disable(logging.WARNING)
    init_default_scope('mmpretrain')
    gpu = torch.cuda.is_available()
    bf16 = gpu and torch.cuda.is_bf16_supported()
    # A third pass of a step finds the same memory as a second.
    passes = min(2, cfg.optim_wrapper.get('accumulative_counts', 1))
    cfg.optim_wrapper.accumulative_counts = passes
    if not gpu:
        bf16 = cfg.optim_wrapper.get('precision') == 'bf16'
        most = cpu_peak(cfg, batch, STEPS * passes) / 2**20
        return Measured('a CPU', bf16, most, None)
    fits = True
    try:
        method = _steps(cfg, batch, STEPS * passes, 'cuda')
        bf16 = getattr(method.optimizer, 'bf16', False)
    except torch.OutOfMemoryError:
        # The row says so; of a smaller batch there may be a figure.
        fits = False
    peak = torch.cuda.max_memory_allocated() / 2**20 if fits else None
    reserved = torch.cuda.max_memory_reserved() / 2**20
    return Measured(torch.cuda.get_device_name(), bf16, peak, reserved)


def cpu_peak(cfg: Config, batch: int, passes: int) -> int:
    """Bytes that the CPU's allocator had out at most, by its own events.

    The profiler sees every allocation and release, also within kernels.

    Args:
        cfg: Of a method, which is built within.
        batch: Pictures of a pass.
        passes: That are made.

    Raises:
        ValueError: If the method cannot learn from such a batch.
    """
    # What goes meanwhile, of before, would count as less than nothing.
    gc.collect()
    with profile(profile_memory=True, acc_events=True) as recorded:
        _steps(cfg, batch, passes, 'cpu')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        recorded.export_chrome_trace(str(path))
        events = [
            event
            for event in json.loads(path.read_text())['traceEvents']
            if event.get('name') == '[memory]'
        ]
    events.sort(key=lambda event: event['ts'])
    return int(np.cumsum([e['args']['Bytes'] for e in events]).max())


def _steps(cfg: Config, batch: int, passes: int, device: str) -> MethodStep:
    method = MethodStep(cfg, batch, device)
    method.model.check_batch(batch)
    for _ in range(passes):
        method.step()
    return method
