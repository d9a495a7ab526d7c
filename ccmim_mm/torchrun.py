"""What torchrun tells the processes that it starts."""

import os
from pathlib import Path

import torch
from mmengine.dist import all_reduce, is_main_process

#: Set by ``tools/launch.py``: the work dir that it looks into, to exit with
#: 75 for ranks that have stopped.
LAUNCHED = 'CCMIM_LAUNCHED'


def is_first() -> bool:
    """Whether this process is the one that speaks for all.

    There need be no process group yet.
    """
    return os.environ.get('RANK', '0') == '0'


def is_first_of_machine() -> bool:
    """Whether this process does what is to be done once on each machine.

    That is local rank 0; and rank 0 of all, where a launcher counts no local
    ranks.
    """
    return is_main_process() or os.environ.get('LOCAL_RANK') == '0'


def restarted() -> bool:
    """Whether torchrun has started any rank of this run again.

    Of several ranks all call it, and there is a process group: each machine's
    torchrun counts for itself, and does not count a restart that another
    machine's has brought about. On ranks that do not agree one would resume
    and another start afresh.
    """
    count = torch.tensor(int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)))
    all_reduce(count, 'max')
    return bool(count)


def stops_in_peace(work_dir: str | Path) -> bool:
    """Whether a rank that was asked to stop is to exit with 0.

    torchrun, where it restarts, would start again what exits with 75; and
    of several machines' it would wait for one that has left already.

    Args:
        work_dir: Where the rank has noted that it stopped: a launcher that
            looks elsewhere would take its 0 for a training that has ended.
    """
    restarts = int(os.environ.get('TORCHELASTIC_MAX_RESTARTS', 0))
    seen = os.environ.get(LAUNCHED)
    return (
        bool(restarts and seen)
        and Path(seen or '') == Path(work_dir).resolve()
    )
