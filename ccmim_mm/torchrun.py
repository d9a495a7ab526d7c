"""What torchrun tells a process, before there is a process group."""

import os


def is_first() -> bool:
    """Whether this process is the one that speaks for all."""
    return os.environ.get('RANK', '0') == '0'


def restarted() -> bool:
    """Whether torchrun has started this process again."""
    return bool(int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)))
