"""Run a function in several gloo processes and collect what it returns."""

import os
import socket

import numpy as np
import torch.distributed as dist
import torch.multiprocessing as mp


def _worker(rank, world, port, function, queue, args, env):
    # What is forked would have one environment and one state for all.
    np.random.seed()
    os.environ.clear()
    os.environ.update(
        env,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        WORLD_SIZE=str(world),
        LOCAL_RANK=str(rank),
    )
    dist.init_process_group('gloo', rank=rank, world_size=world)
    try:
        queue.put((rank, function(rank, *args)))
        # The queue's tensors live until the parent has taken them.
        dist.barrier()
    finally:
        dist.destroy_process_group()


def run_ranks(function, world=2, args=(), start_method='forkserver'):
    """Results of ``function(rank, *args)``, by rank; plain Python or numpy.

    The function must be importable: define it at a test module's top level.
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    queue = mp.get_context(start_method).SimpleQueue()
    started = mp.start_processes(
        _worker,
        (world, port, function, queue, args, dict(os.environ)),
        nprocs=world,
        join=False,
        start_method=start_method,
    )
    results = {}
    while len(results) < world:
        while queue.empty():
            # Raises if a process failed; returns otherwise.
            started.join(timeout=0.2)
        rank, value = queue.get()
        results[rank] = value
    while not started.join():
        pass
    return [results[rank] for rank in range(world)]
