"""Peak memory of a training step."""

import logging
import multiprocessing
from pathlib import Path

import torch
from mmengine.config import ConfigDict

from .contenders import build_contender


def resident_mib(field: str) -> float:
    """This process's resident memory in MiB, as Linux keeps it.

    Args:
        field: ``VmRSS`` now, or ``VmHWM`` at its peak.
    """
    for line in Path('/proc/self/status').read_text().splitlines():
        name, _, value = line.partition(':')
        if name == field:
            return int(value.split()[0]) / 1024
    raise OSError(f'no {field} in /proc/self/status: this needs Linux')


def peak_mib(
    name: str,
    model_cfg: ConfigDict,
    batch_size: int,
    device: str,
    precision: str,
) -> float:
    """Peak memory in MiB of three steps: weights, optimizer, activations.

    On a GPU what the allocator held at the peak. On a CPU the growth of a
    fresh process's resident memory since its imports.

    Args:
        name: The contender.
        model_cfg: Config of the exact ccMIM.
        batch_size: Pictures a step.
        device: ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``bf16``.
    """
    context = multiprocessing.get_context('spawn')
    with context.Pool(1) as pool:
        return pool.apply(
            _measure, (name, model_cfg, batch_size, device, precision)
        )


def _measure(
    name: str,
    model_cfg: ConfigDict,
    batch_size: int,
    device: str,
    precision: str,
) -> float:
    logging.disable(logging.WARNING)
    before = resident_mib('VmRSS')
    contender = build_contender(name, model_cfg, batch_size, device, precision)
    for _ in range(3):
        contender.step()
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**20
    return resident_mib('VmHWM') - before
