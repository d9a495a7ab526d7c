"""How the time of a step grows with the batch, the picture, the ranks."""

import logging
import os
import socket
import statistics
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.config import ConfigDict
from torch.nn.parallel import DistributedDataParallel

from .contenders import Contender, build_contender, resize
from .flops import step_flops
from .timing import alternate

Row = dict[str, Any]


def against_first(
    contenders: dict[str, Contender],
    expected: Mapping[str, float],
    device: str,
    repeats: int,
) -> list[Row]:
    """Times of steps relative to the first, beside what is expected.

    Args:
        contenders: Steps of growing size, by a name for the table.
        expected: The law's value for each, in any unit.
        device: ``cpu`` or ``cuda``.
        repeats: Rounds that count.
    """
    tasks = {name: c.step for name, c in contenders.items()}
    seconds = alternate(tasks, device, repeats, warmup=1)
    median = {name: statistics.median(s) for name, s in seconds.items()}
    first = next(iter(contenders))
    return [
        dict(
            size=name,
            ms=median[name] * 1e3,
            grown=median[name] / median[first],
            expected=expected[name] / expected[first],
        )
        for name in contenders
    ]


def batch_growth(
    model: ConfigDict,
    batches: list[int],
    device: str,
    precision: str,
    repeats: int,
) -> list[Row]:
    """Over the batch: in proportion."""
    contenders = {
        f'batch {b}': build_contender('ccmim', model, b, device, precision)
        for b in batches
    }
    expected = dict(zip(contenders, batches, strict=True))
    return against_first(contenders, expected, device, repeats)


def size_growth(
    model: ConfigDict,
    sizes: list[int],
    batch_size: int,
    device: str,
    precision: str,
    repeats: int,
) -> list[Row]:
    """Over the picture's side: in proportion to the FLOPs.

    These grow with the patches, and attention with their square.
    """
    contenders, expected = {}, {}
    for size in sizes:
        sized = resize(model, size)
        contender = build_contender(
            'ccmim', sized, batch_size, device, precision
        )
        name = f'{size} px'
        contenders[name] = contender
        expected[name] = step_flops('ccmim', sized)['step']
    return against_first(contenders, expected, device, repeats)


def rank_growth(
    model: ConfigDict, batch_size: int, precision: str, repeats: int
) -> list[Row]:
    """Over CPU processes of one thread, the batch of each the same.

    Flat, but for the exchange of the gradients and shared memory lanes.
    """
    rows: list[Row] = []
    for world in (1, 2):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        queue = mp.get_context('spawn').SimpleQueue()
        arguments = (world, port, model, batch_size, precision, repeats, queue)
        mp.spawn(_rank, arguments, nprocs=world)
        ms = queue.get() * 1e3
        grown = ms / (rows[0]['ms'] if rows else ms)
        name = f'{world} rank{"s" * (world > 1)}'
        rows.append(dict(size=name, ms=ms, grown=grown, expected=1.0))
    return rows


def _rank(
    rank: int,
    world: int,
    port: int,
    model: ConfigDict,
    batch_size: int,
    precision: str,
    repeats: int,
    queue,
) -> None:
    import ccmim_mm  # noqa: F401 - registers the modules in this process

    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=world)
    contender = build_contender('ccmim', model, batch_size, 'cpu', precision)
    contender.model = DistributedDataParallel(contender.model)
    times = alternate(dict(step=contender.step), 'cpu', repeats)
    if rank == 0:
        queue.put(statistics.median(times['step']))
    dist.destroy_process_group()
