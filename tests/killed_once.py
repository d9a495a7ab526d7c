"""What torchrun starts: a rank that kills itself once, and all that sum."""

import os
import signal

import torch
import torch.distributed as dist


def main():
    """Five sums; the first rank of the first start comes as far as two."""
    dist.init_process_group('gloo')
    first = os.environ['TORCHELASTIC_RESTART_COUNT'] == '0'
    for step in range(5):
        ones = torch.ones(1)
        dist.all_reduce(ones)
        if first and dist.get_rank() == 0 and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    print(f'rank {dist.get_rank()} of {int(ones)} done', flush=True)
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
