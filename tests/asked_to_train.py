"""What torchrun starts: a tool that is asked to stop before it trains."""

import os
import signal
import sys
from pathlib import Path

from ccmim_tools import start_up


def main():
    """Wait for the end, unless torchrun has started it again."""
    # Should the signal not arrive.
    signal.alarm(300)
    start_up.leave_when_asked(sys.argv[1:])
    if os.environ['TORCHELASTIC_RESTART_COUNT'] != '0':
        Path(start_up.work_dir_of(sys.argv[1:]), 'trained').touch()
        return
    if os.environ['RANK'] == os.environ['ASKED']:
        os.kill(os.getpid(), signal.SIGUSR1)
    signal.pause()


if __name__ == '__main__':
    main()
